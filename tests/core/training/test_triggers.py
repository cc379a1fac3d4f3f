from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kusari import training
from kusari.serializers import load_npz, save_npz
from kusari.training import triggers

NAN = float("nan")


class At:
    """Stands for a trainer at one iteration."""

    def __init__(self, iteration: int, per_epoch: int = 10, observation: Any = None, seconds: float = 0.0) -> None:
        self.updater = self
        self.iteration = iteration
        self.epoch_detail = iteration / per_epoch
        self.observation: dict[str, Any] = {} if observation is None else observation
        self.elapsed_time = seconds


def fired(trigger: Any, until: int = 20, per_epoch: int = 10) -> list[int]:
    found = []
    for iteration in range(1, until + 1):
        at = At(iteration, per_epoch)
        answers = {trigger(at) for _ in range(2)}
        assert len(answers) == 1, "asked twice in one iteration it has to say the same"
        if answers.pop():
            found.append(iteration)
    return found


def test_interval() -> None:
    assert fired(triggers.IntervalTrigger(3, "iteration"), 12) == [3, 6, 9, 12]
    assert fired(triggers.IntervalTrigger(1, "epoch"), 20, 7) == [7, 14]
    # As documented: with 10/3 iterations an epoch, where half an epoch is passed.
    assert fired(triggers.IntervalTrigger(0.5, "epoch"), 12, 10 / 3) == [2, 4, 5, 7, 9, 10, 12]  # type: ignore[arg-type]


@given(st.integers(1, 40), st.integers(1, 40))
def test_fractions_of_epochs_do_not_come_late(parts: int, per_part: int) -> None:
    found = fired(triggers.IntervalTrigger(1 / parts, "epoch"), 3 * parts * per_part, parts * per_part)
    assert found == [per_part * number for number in range(1, 3 * parts + 1)]


def test_points() -> None:
    assert fired(triggers.ManualScheduleTrigger([2, 5, 7], "iteration")) == [2, 5, 7]
    assert fired(triggers.ManualScheduleTrigger([0.5, 1.21], "epoch")) == [5, 13]
    assert fired(triggers.ManualScheduleTrigger(3, "iteration")) == [3]


def test_once(round_trip: Any) -> None:
    trigger = triggers.OnceTrigger()
    assert not trigger.finished
    assert fired(trigger) == [1]
    assert trigger.finished
    resumed, again = triggers.OnceTrigger(), triggers.OnceTrigger(call_on_resume=True)
    round_trip(trigger, resumed)
    round_trip(trigger, again)
    assert (fired(resumed), fired(again)) == ([], [1])


def test_time(round_trip: Any) -> None:
    trigger = triggers.TimeTrigger(2.0)
    assert [trigger(At(i, seconds=s)) for i, s in enumerate([1, 2, 3, 7.5, 7.9, 8, 9])] == [
        *(False, True, False, True, False, True, False)
    ]
    resumed = triggers.TimeTrigger(2.0)
    round_trip(trigger, resumed)
    assert [resumed(At(20, seconds=9.9)), resumed(At(21, seconds=10))] == [False, True]


def values(trigger: Any, observed: list[Any], key: str = "x") -> list[int]:
    found = []
    for iteration, value in enumerate(observed, 1):
        at = At(iteration, observation={} if value is None else {key: value})
        answers = [trigger(at), trigger(at)]
        assert answers[0] == answers[1]
        if answers[0]:
            found.append(iteration)
    return found


def test_best_values() -> None:
    each = (1, "iteration")
    assert values(triggers.MaxValueTrigger("x", each), [1, 2, 2, 3, NAN, 4, 1]) == [1, 2, 4, 6]
    assert values(triggers.MinValueTrigger("x", each), [NAN, 2, 3, 1]) == [2, 4]
    assert values(triggers.MaxValueTrigger("x", (2, "iteration")), [1, 5, 3, 1, 4, 9]) == [2, 6]
    closest = triggers.BestValueTrigger("x", lambda best, new: abs(new - 3) < abs(best - 3), each)
    assert values(closest, [9, 1, 4, 2, 3]) == [1, 2, 3, 5]
    assert closest.best_value == 3


def test_best_value_that_is_not_there() -> None:
    with pytest.raises(KeyError, match=r"MinValueTrigger found no number 'y'.*observed now: x"):
        values(triggers.MinValueTrigger("y", (1, "iteration")), [1])


def test_early_stopping() -> None:
    def make(**options: Any) -> Any:
        return triggers.EarlyStoppingTrigger((1, "iteration"), "x", max_trigger=(10, "iteration"), **options)

    assert values(make(patience=2), [5, 4, 4, 3, 3, 3])[0] == 6
    assert values(make(patience=2, mode="max"), [5, 6, 6, 7, 6, 6])[0] == 6
    assert values(make(patience=2), [5, 4, NAN, NAN])[0] == 4
    assert values(make(patience=2), list(range(20, 8, -1)))[0] == 10
    assert values(make(patience=1), [5, None, None, 4, None, 4])[0] == 6
    accuracy = triggers.EarlyStoppingTrigger((1, "iteration"), "accuracy", 1, max_trigger=(10, "iteration"))
    assert values(accuracy, [0.1, 0.2, 0.1], "accuracy") == [3]
    assert accuracy.get_training_length() == (10, "iteration")


def test_early_stopping_tells(capsys: pytest.CaptureFixture[str]) -> None:
    values(triggers.EarlyStoppingTrigger((1, "iteration"), "x", 3, verbose=True), [1, 2])
    assert capsys.readouterr().out == "iteration 2: x 2 is no better than 1 (1 of 3)\n"


@pytest.mark.parametrize("at", range(1, 12))
@pytest.mark.parametrize(
    "make",
    [
        lambda: triggers.IntervalTrigger(3, "iteration"),
        lambda: triggers.IntervalTrigger(0.3, "epoch"),
        lambda: triggers.ManualScheduleTrigger([2, 7], "iteration"),
        lambda: triggers.MaxValueTrigger("x", (2, "iteration")),
        lambda: triggers.EarlyStoppingTrigger((2, "iteration"), "x", 2, max_trigger=(11, "iteration")),
    ],
)
def test_saved_and_loaded_it_goes_on(make: Callable[[], Any], at: int, tmp_path: Path) -> None:
    numbers = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]
    trainers = [At(iteration, observation={"x": x}) for iteration, x in enumerate(numbers, 1)]
    whole, first, second = make(), make(), make()
    expected = [whole(trainer) for trainer in trainers]
    found = [first(trainer) for trainer in trainers[:at]]
    save_npz(tmp_path / "trigger", first)
    load_npz(tmp_path / "trigger", second)
    assert second(At(at)) == expected[at - 1], "a resumed run asks again, without what was observed"
    assert found + [second(trainer) for trainer in trainers[at:]] == expected


def test_a_file_without_the_second_end() -> None:
    """Files of the original have where the trigger was asked the last time, and no more."""
    from kusari.serializers import NpzDeserializer

    trigger = triggers.IntervalTrigger(5, "iteration")
    NpzDeserializer({"previous_iteration": 9, "previous_epoch_detail": 0.9}).load(trigger)
    assert trigger(At(10))


def test_what_becomes_a_trigger() -> None:
    every = training.get_trigger((2, "epoch"))
    assert isinstance(every, triggers.IntervalTrigger)
    assert every.get_training_length() == (2, "epoch")
    assert training.get_trigger(every) is every
    assert fired(training.get_trigger(None)) == []
    from kusari.training.trigger import get_trigger
    from kusari.training.util import get_trigger as old

    assert get_trigger is old is training.get_trigger


@pytest.mark.parametrize("wrong", [5, (1,), "epoch", (1, "epoch", 2)])
def test_what_does_not(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected"):
        training.get_trigger(wrong)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: triggers.IntervalTrigger(1, "day"), "'epoch' or 'iteration'"),
        (lambda: triggers.IntervalTrigger(0, "epoch"), "more than 0"),
        (lambda: triggers.IntervalTrigger(math.nan, "epoch"), "more than 0"),
        (lambda: triggers.ManualScheduleTrigger(1, "days"), "'epoch' or 'iteration'"),
        (lambda: triggers.TimeTrigger(0), "more than 0"),
        (lambda: triggers.EarlyStoppingTrigger(mode="best"), "'auto', 'min' or 'max'"),
    ],
)
def test_wrong_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_old_name_of_patience() -> None:
    with pytest.warns(DeprecationWarning, match="patience"):
        trigger = triggers.EarlyStoppingTrigger(patients=7)
    assert trigger.patience == 7
    with pytest.raises(TypeError, match="unexpected keyword"):
        triggers.EarlyStoppingTrigger(patiense=7)
