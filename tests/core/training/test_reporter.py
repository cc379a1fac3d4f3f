from __future__ import annotations

import threading
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import kusari
import kusari.functions as F
import kusari.links as L
from kusari.errors import SynchronizationError
from kusari.reporter import DictSummary, Reporter, Summary, get_current_reporter, report, report_scope

numbers = st.floats(-1e6, 1e6)


def test_values_go_by_the_name_of_their_observer() -> None:
    model = kusari.Chain(a=L.Linear(2, 2))
    reporter = Reporter()
    reporter.add_observer("main", model)
    reporter.add_observers("main", model.namedlinks(skipself=True))
    with reporter:
        report({"loss": 1}, model)
        report({"norm": 2}, model.a)
        report({"free": 3})
    assert reporter.observation == {"main/loss": 1, "main/a/norm": 2, "free": 3}


def test_an_observer_that_is_not_registered_is_named() -> None:
    reporter = Reporter()
    reporter.add_observer("main", object())
    with reporter, pytest.raises(KeyError, match=r"Linear is not registered .*registered: main"):
        report({"loss": 1}, L.Linear(2, 2))


def test_without_a_reporter_nothing_happens() -> None:
    report({"loss": 1}, object())
    with pytest.raises(IndexError, match="no reporter"):
        get_current_reporter()
    with pytest.raises(IndexError, match="no reporter"), report_scope({}):
        pass


def test_scopes_nest_and_end_also_by_an_error() -> None:
    outer, inner = {}, {}
    reporter, other = Reporter(), Reporter()
    with reporter.scope(outer):
        with pytest.raises(ZeroDivisionError), other, report_scope(inner):
            report({"x": 1})
            assert get_current_reporter() is other
            raise ZeroDivisionError
        assert get_current_reporter() is reporter
        report({"y": 2})
    assert (outer, inner) == ({"y": 2}, {"x": 1})


def test_each_thread_has_its_own() -> None:
    seen: list[Any] = []

    def look() -> None:
        report({"x": 1})
        with pytest.raises(IndexError):
            get_current_reporter()
        seen.append(True)

    with Reporter() as reporter:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [True]
    assert reporter.observation == {}


@pytest.mark.parametrize("keep", [False, True])
def test_graphs_go_unless_they_are_to_be_kept(keep: bool) -> None:
    x = kusari.Variable(np.ones(2, "f"))
    with Reporter() as reporter, kusari.using_config("keep_graph_on_report", keep):
        report({"y": F.sum(x * 2)})
    y = reporter.observation["y"]
    assert isinstance(y, kusari.Variable)
    assert (y.creator is not None) is keep
    assert y.item() == 4


@given(st.lists(st.tuples(numbers, st.integers(1, 5)), min_size=1, max_size=30))
def test_mean_and_deviation(pairs: list[tuple[float, int]]) -> None:
    summary = Summary()
    for value, weight in pairs:
        summary.add(value, weight)
    values = np.repeat([value for value, _ in pairs], [weight for _, weight in pairs])
    mean, deviation = summary.make_statistics()
    assert summary.compute_mean() == mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
    # Σx²/n - mean² loses half of the digits.
    assert deviation == pytest.approx(values.std(), rel=1e-6, abs=1e-7 * max(1, np.abs(values).max()))


@pytest.mark.parametrize("count", [1, 255, 256, 257, 700])
def test_values_of_a_device_wait_there(strict: kusari.backend.Backend, count: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=count).astype("f")
    here, there = Summary(), Summary()
    with kusari.using_config("forbid_synchronization", True):
        for index, value in enumerate(values):
            if index % 50 == 7:  # numbers of the host in between keep their place
                there.add(float(value))
            else:
                there.add(strict.from_host(np.asarray(value)), index % 3 + 1)
        with pytest.raises(SynchronizationError, match="read it after the step"):
            there.compute_mean()
    for index, value in enumerate(values):
        here.add(float(value), 1 if index % 50 == 7 else index % 3 + 1)
    assert there.make_statistics() == here.make_statistics()


def test_an_update_in_place_does_not_reach_what_was_added(strict: kusari.backend.Backend) -> None:
    summary, array = Summary(), strict.from_host(np.zeros(()))
    for _ in range(3):
        array += 1
        summary.add(array)
    assert summary.compute_mean() == 2


def test_looking_changes_nothing(strict: kusari.backend.Backend, round_trip: Any) -> None:
    values = np.random.default_rng(1).normal(size=40).astype("f")
    watched, unwatched, resumed = Summary(), Summary(), Summary()
    for index, value in enumerate(values):
        for summary in (watched, unwatched):
            summary.add(strict.from_host(np.asarray(value)))
        if index % 7 == 3:
            watched.compute_mean()
            round_trip(watched, resumed)
            watched, resumed = resumed, Summary()
    assert watched.make_statistics() == unwatched.make_statistics()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_sums_are_exact_whatever_the_dtype(dtype: str) -> None:
    summary = Summary()
    for _ in range(3000):
        summary.add(np.asarray(30, dtype))  # in float16 the sum would stop at 65504
    assert summary.compute_mean() == 30
    assert summary.make_statistics()[1] == 0


def test_not_a_number_stays() -> None:
    summary = Summary()
    summary.add(float("nan"))
    summary.add(1)
    assert np.isnan(summary.make_statistics()).all()


@pytest.mark.parametrize("value", [np.ones(1), np.ones((2, 2)), "3", None])
def test_what_is_no_scalar_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        Summary().add(value)


def test_dictionaries_keep_scalars_only() -> None:
    summary = DictSummary()
    summary.add(
        {"a": 1.0, "b": np.ones(3), "c": (2.0, 3), "d": kusari.Variable(np.asarray(2.0)), "e": "text", "f": np.int32(4)}
    )
    summary.add({"a": 3, "c": (5.0, 1), "g": (1, 2, 3)})
    assert summary.compute_mean() == {"a": 2.0, "c": 2.75, "d": 2.0, "f": 4.0}
    statistics = summary.make_statistics()
    assert statistics["a.std"] == 1.0
    assert statistics["c.std"] == pytest.approx(np.std([2, 2, 2, 5]))


def test_dictionaries_are_saved(round_trip: Any) -> None:
    summary, other = DictSummary(), DictSummary()
    summary.add({"a": 1.0, "b/c": 2})
    other.add({"z": 1})
    round_trip(summary, other)
    summary.add({"a": 2.0})
    other.add({"a": 2.0})
    assert other.make_statistics() == summary.make_statistics()


def test_nothing_has_no_mean() -> None:
    with pytest.raises(ZeroDivisionError):
        Summary().compute_mean()
    assert DictSummary().compute_mean() == {}
