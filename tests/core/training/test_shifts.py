"""Schedules, against their formulas and what the original did with the same arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kusari import training
from kusari.training import extensions as E

Make = Callable[..., training.Trainer]


def sequence(make: Callable[..., Any], count: int = 6, lr: float = 1.0) -> list[float]:
    optimizer = SimpleNamespace(lr=lr)
    shift = make(optimizer=optimizer)
    shift.initialize(None)
    found = [optimizer.lr]
    for _ in range(count):
        shift(None)
        found.append(optimizer.lr)
    return found


# What the original's schedules gave for these arguments, beginning at lr = 1.
ORIGINAL: list[tuple[Callable[..., Any], list[float]]] = [
    (lambda **o: E.ExponentialShift("lr", 0.5, **o), [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625]),
    (lambda **o: E.ExponentialShift("lr", 0.5, init=2.0, target=0.3, **o), [2.0, 1.0, 0.5, 0.3, 0.3, 0.3, 0.3]),
    (lambda **o: E.ExponentialShift("lr", 2.0, init=2.0, target=6, **o), [2.0, 4.0, 6.0, 6.0, 6.0, 6.0, 6.0]),
    (
        lambda **o: E.InverseShift("lr", 0.5, 2, init=2.0, target=0.1, **o),
        [2.0, 0.888889, 0.5, 0.32, 0.222222, 0.163265, 0.125],
    ),
    (lambda **o: E.LinearShift("lr", (2.0, 0.0), (1, 3), **o), [2.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
    (lambda **o: E.MultistepShift("lr", 0.1, [2, 4], 1.0, **o), [1.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.01]),
    (lambda **o: E.PolynomialShift("lr", 2, 4, init=2.0, **o), [2.0, 1.125, 0.5, 0.125, 0.0, 0.0, 0.0]),
    (lambda **o: E.WarmupShift("lr", 0.1, 3, 1.0, **o), [0.1, 0.4, 0.7, 1.0, 1.0, 1.0, 1.0]),
    (lambda **o: E.StepShift("lr", 0.1, 2, init=1.0, target=0.01, **o), [1.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.01]),
]


@pytest.mark.parametrize(("make", "expected"), ORIGINAL)
def test_as_the_original(make: Callable[..., Any], expected: list[float]) -> None:
    assert sequence(make) == pytest.approx(expected, abs=1e-6)


def test_a_target_on_the_way_to_zero() -> None:
    assert sequence(lambda **o: E.PolynomialShift("lr", 1, 4, init=2.0, target=0.6, **o)) == pytest.approx(
        [2, 1.5, 1, 0.6, 0.6, 0.6, 0.6]
    )


@given(st.integers(1, 50), st.floats(0.1, 10), st.floats(0, 0.05))
def test_cosine(count: int, init: float, target: float) -> None:
    found = sequence(lambda **o: E.CosineShift("lr", count, init=init, target=target, **o), count + 3)
    assert found[0] == pytest.approx(init)
    assert found[count:] == [target] * 4
    assert found == sorted(found, reverse=True)
    for t, value in enumerate(found[:count]):
        assert value == pytest.approx(target + (init - target) * math.cos(math.pi * t / count / 2) ** 2)


@given(st.integers(4, 50), st.floats(0, 0.99))
def test_one_cycle(count: int, warmup: float) -> None:
    found = sequence(lambda **o: E.OneCycleShift("lr", count, warmup=warmup, **o), count + 3)
    top = found.index(max(found))
    assert top in (math.floor(warmup * count), math.ceil(warmup * count))
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert max(found) <= 1
    if warmup * count > 1e-6:
        assert found[0] == pytest.approx(1 / 25)
    assert found[count:] == pytest.approx([1e-4] * 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: E.ExponentialShift("lr", -1), "does not support negative rate"),
        (lambda: E.InverseShift("lr", -1, 1), "does not support negative gamma"),
        (lambda: E.PolynomialShift("lr", -1, 1), "does not support negative rate"),
        (lambda: E.PolynomialShift("lr", 1, 0), "max_count=0: expected 1 or more"),
        (lambda: E.StepShift("lr", 0.1, 0), "step=0"),
        (lambda: E.StepShift("lr", -0.1, 1), "negative gamma"),
        (lambda: E.MultistepShift("lr", -0.1, [1]), "negative gamma"),
        (lambda: E.LinearShift("lr", (1, 0), (3, 3)), "begin < end"),
        (lambda: E.LinearShift("lr", (1,), (1, 3)), "begin < end"),  # type: ignore[arg-type]
        (lambda: E.WarmupShift("lr", 0.1, 0), "warmup_iter=0"),
        (lambda: E.CosineShift("lr", 0), "max_count=0"),
        (lambda: E.OneCycleShift("lr", 10, warmup=2), "from 0 to below 1"),
    ],
)
def test_wrong_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_it_is_set_before_the_first_update(counting: Make) -> None:
    trainer, seen = counting(until=4), []
    optimizer = trainer.updater.get_optimizer("main")
    trainer.updater.during = lambda: seen.append(optimizer.lr)  # type: ignore[attr-defined]
    trainer.extend(E.ExponentialShift("lr", 0.5, init=8.0), trigger=(2, "iteration"))
    trainer.run()
    assert seen == [8, 8, 4, 4]


@pytest.mark.parametrize(("make", "expected"), ORIGINAL)
@pytest.mark.parametrize("at", [0, 2, 5])
def test_resumed(make: Callable[..., Any], expected: list[float], at: int, round_trip: Any) -> None:
    first, second = SimpleNamespace(lr=1.0), SimpleNamespace(lr=1.0)
    shift, resumed = make(optimizer=first), make(optimizer=second)
    shift.initialize(None)
    for _ in range(at):
        shift(None)
    round_trip(shift, resumed)
    second.lr = 99.0  # what the program set means nothing any more
    resumed.initialize(None)
    found = [second.lr]
    for _ in range(6 - at):
        resumed(None)
        found.append(second.lr)
    assert found == pytest.approx(expected[at:], abs=1e-6)


def test_files_of_the_original_have_the_count(counting: Make) -> None:
    from kusari.serializers import NpzDeserializer

    optimizer = SimpleNamespace(lr=1.0)
    shift = E.WarmupShift("lr", 0.1, 3, 1.0, optimizer=optimizer)
    NpzDeserializer({"_t": 2}).load(shift)
    shift.initialize(counting())
    assert optimizer.lr == pytest.approx(0.7)
