"""Many small operations leave no memory behind. KUSARI_TEST_OPERATIONS says how many; 1,000,000 take three minutes."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari.autograd import Variable, no_backprop_mode
from kusari.function_hooks import TimerHook

OPERATIONS = int(os.environ.get("KUSARI_TEST_OPERATIONS", "20000"))


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Nothing here may count on the collector of cycles."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def growth(work: Callable[[], Any], times: int) -> tuple[int, int]:
    """Return the bytes and the tracked objects that remain after many runs of what has run a few times."""
    tracemalloc.start()
    try:
        for _ in range(20):
            work()
        gc.collect()
        before, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
        for _ in range(times):
            work()
        left = len(gc.get_objects()) - objects  # cycles among them: the collector has not run
        gc.collect()  # which empties Python's own store of up to 2,000 tuples to use again
        return tracemalloc.get_traced_memory()[0] - before, left
    finally:
        tracemalloc.stop()


def step_of_operators() -> Callable[[], Any]:
    x, y = Variable(np.ones(3, "f")), Variable(np.full(3, 2, "f"))

    def work() -> None:
        x.cleargrad()
        y.cleargrad()
        ((x * y + 1 - y / 2) ** 2).sum().backward()

    return work


def step_without_graph() -> Callable[[], Any]:
    x = Variable(np.ones(3, "f"))

    def work() -> None:
        with no_backprop_mode():
            (x * 2 + 1).reshape(3, 1).sum()

    return work


def step_of_a_model() -> Callable[[], Any]:
    model = kusari.Sequential(L.Linear(3, 4), F.relu, L.Linear(4, 2))
    optimizer = kusari.optimizers.Adam().setup(model)
    x = np.ones((2, 3), "f")
    return lambda: optimizer.update(lambda: F.sum(model(x) ** 2))


def step_of_second_derivatives() -> Callable[[], Any]:
    x = Variable(np.ones(3, "f"))

    def work() -> None:
        (g,) = kusari.grad([(x**3).sum()], [x], enable_double_backprop=True)
        assert g is not None
        x.cleargrad()
        g.sum().backward()

    return work


def step_with_an_error() -> Callable[[], Any]:
    x, y = Variable(np.ones(3, "f")), Variable(np.ones(3))

    def work() -> None:
        try:
            x * 2 + y
        except kusari.errors.InvalidType:
            return
        raise AssertionError("float32 + float64 is refused")

    return work


STEPS = (
    (step_of_operators, 12),
    (step_without_graph, 4),
    (step_of_a_model, 20),
    (step_of_second_derivatives, 12),
    (step_with_an_error, 2),
)


@pytest.mark.parametrize(("make", "operations"), STEPS, ids=[make.__name__ for make, _ in STEPS])
def test_nothing_grows(make: Callable[[], Callable[[], Any]], operations: int) -> None:
    times = max(50, OPERATIONS // operations // len(STEPS))
    size, objects = growth(make(), times)
    # A leak at each operation would come to 600 bytes a time and more; what is made once comes to some kilobytes.
    assert size < 16 * times + 16_384, f"{size} bytes after {times} times"
    assert objects < times // 10 + 20


def test_hooks_keep_what_they_say_and_no_more() -> None:
    hook = TimerHook()
    work = step_of_operators()

    def watched() -> None:
        with hook:
            work()
        hook.call_history.clear()

    size, _ = growth(watched, 200)
    assert size < 16 * 200


def test_no_cycles_in_what_a_hook_or_debug_mode_sees() -> None:
    work = step_of_a_model()
    with TimerHook(), kusari.using_config("debug", True):
        work()
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            work()
            gc.collect()
            assert gc.garbage == []
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
