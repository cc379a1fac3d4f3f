"""Memory that is used again: never while an array has it, and never more than was in use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari_numpy import workspace
from kusari_numpy.workspace import ALIGNMENT, LARGE, aligned_empty, aligned_zeros

BYTES = np.dtype(np.uint8)


def address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.fixture(autouse=True)
def nothing_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "_held", workspace._Held())


def test_memory_of_a_dead_array_is_the_next_ones() -> None:
    first = aligned_empty((LARGE,), BYTES)
    where = address(first)
    assert where % ALIGNMENT == 0
    del first
    again = aligned_zeros((2, LARGE // 2), BYTES)
    assert address(again) == where
    assert not again.any()
    assert address(aligned_empty((LARGE,), BYTES)) != where  # it is in use


@pytest.mark.parametrize(
    "see", [lambda a: a[3:, 5:], lambda a: a.T, lambda a: a.view(np.uint16), memoryview, lambda a: np.from_dlpack(a)]
)
def test_a_view_keeps_the_memory(see: Callable[[np.ndarray[Any, Any]], Any]) -> None:
    array = aligned_empty((16, LARGE // 16), BYTES)
    where, array[...] = address(array), 7
    view = see(array)
    expected = np.array(view)
    del array
    other = aligned_zeros((LARGE,), BYTES)
    assert address(other) != where
    np.testing.assert_array_equal(np.asarray(view), expected)
    del view
    assert address(aligned_empty((LARGE,), BYTES)) == where


def test_an_array_takes_larger_memory_but_not_much_larger() -> None:
    kept = [aligned_empty((LARGE * size,), BYTES) for size in (5, 4, 3)]
    where = {size: address(array) for size, array in zip((5, 4, 3), kept, strict=True)}
    while kept:
        kept.pop(0)
    first, second, third = (aligned_empty((LARGE * 2,), BYTES) for _ in range(3))
    assert address(first) == where[3]
    assert address(second) == where[4]
    assert address(third) != where[5]


def test_where_there_is_too_much_the_first_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "KEPT", 10 * LARGE)
    kept = [aligned_empty((LARGE * size,), BYTES) for size in (1, 2, 7)]
    where = [address(array) for array in kept]
    while kept:
        kept.pop(0)
    large = aligned_empty((LARGE * 5 // 2,), BYTES)  # in the place of 1 and 2
    assert workspace._held.idle == [LARGE * 7]
    assert address(aligned_empty((LARGE * 7,), BYTES)) == where[2]
    del large


def test_little_is_not_kept_and_not_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "KEPT", 2 * LARGE)
    arrays = [aligned_empty((LARGE,), BYTES) for _ in range(3)] + [aligned_empty((LARGE - 1,), BYTES)]
    arrays.clear()
    assert workspace._held.idle == [LARGE] * 2


def test_threads_never_share() -> None:
    def work(number: int) -> None:
        for _ in range(200):
            array = aligned_empty((LARGE,), BYTES)
            array[:: 2**16] = number
            wrong.extend(set(array[:: 2**16].tolist()) - {number})

    wrong: list[int] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
