"""Schedules that move a hyperparameter along a line or a curve."""

from __future__ import annotations

import math
from typing import Any

from kusari.training.extensions.shift import Shift, check_at_least


class LinearShift(Shift):
    """Move along a line from one value to another, between two calls.

    Args:
        attr: The optimizer's attribute.
        value_range: The first value and the last.
        time_range: After how many calls the line begins and ends.
        optimizer: Whose. Default: the main one.

    Raises:
        ValueError: No pairs, or a ``time_range`` that ends before it begins.

    >>> shift = LinearShift("lr", (2.0, 0.0), (1, 3))
    >>> [shift.value_at(t, init=2.0) for t in range(5)]
    [2.0, 2.0, 1.0, 0.0, 0.0]
    """

    def __init__(
        self, attr: str, value_range: tuple[float, float], time_range: tuple[int, int], optimizer: Any = None
    ) -> None:
        if len(value_range) != 2 or len(time_range) != 2 or not time_range[0] < time_range[1]:
            raise ValueError(
                f"LinearShift(value_range={value_range}, time_range={time_range}): expected (first, last) values and "
                "(begin, end) with begin < end"
            )
        super().__init__(attr, value_range[0], optimizer)
        self._value_range = value_range
        self._time_range = time_range

    def value_at(self, t: int, init: float) -> float:
        (first, last), (begin, end) = self._value_range, self._time_range
        if t >= end:
            return last
        return first + (last - first) * max(0, t - begin) / (end - begin)


class WarmupShift(Shift):
    """Move along a line from a small value to the one meant, and stay there.

    Args:
        attr: The optimizer's attribute.
        warmup_start: The first value.
        warmup_iter: After how many calls ``init`` is reached.
        init: The value meant. Default: what the optimizer has.
        optimizer: Whose. Default: the main one.

    Raises:
        ValueError: ``warmup_iter`` below 1.

    >>> shift = WarmupShift("lr", warmup_start=0.0, warmup_iter=2)
    >>> [shift.value_at(t, init=1.0) for t in range(4)]
    [0.0, 0.5, 1.0, 1.0]
    """

    def __init__(
        self, attr: str, warmup_start: float, warmup_iter: int, init: float | None = None, optimizer: Any = None
    ) -> None:
        super().__init__(attr, init, optimizer)
        check_at_least("warmup_iter", warmup_iter, 1)
        self._warmup_start = warmup_start
        self._warmup_iter = warmup_iter

    def value_at(self, t: int, init: float) -> float:
        if t >= self._warmup_iter:
            return init
        return self._warmup_start + (init - self._warmup_start) * t / self._warmup_iter


class CosineShift(Shift):
    """Fall along half a cosine: target + (init − target)(1 + cos(πt/max_count))/2, and ``target`` from there on.

    Args:
        attr: The optimizer's attribute.
        max_count: After how many calls ``target`` is reached.
        init: The first value. Default: what the optimizer has.
        target: The last value.
        optimizer: Whose. Default: the main one.

    Raises:
        ValueError: ``max_count`` below 1.

    Source: Loshchilov, Hutter, 2017, arXiv:1608.03983, without restarts.

    >>> shift = CosineShift("lr", max_count=4)
    >>> [round(shift.value_at(t, init=1.0), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    def __init__(
        self, attr: str, max_count: int, init: float | None = None, target: float = 0.0, optimizer: Any = None
    ) -> None:
        super().__init__(attr, init, optimizer)
        check_at_least("max_count", max_count, 1)
        self._max_count = max_count
        self._target = target

    def value_at(self, t: int, init: float) -> float:
        return _along_cosine(init, self._target, t / self._max_count)


class OneCycleShift(Shift):
    """Rise along half a cosine to ``init``, then fall along another to almost nothing.

    Args:
        attr: The optimizer's attribute.
        max_count: After how many calls it ends.
        init: The greatest value. Default: what the optimizer has.
        warmup: Which part of the calls it rises.
        start_factor: What ``init`` is divided by at the beginning.
        end_factor: What ``init`` is divided by at the end.
        optimizer: Whose. Default: the main one.

    Raises:
        ValueError: ``max_count`` below 1, or ``warmup`` outside [0, 1).

    Source: Smith, Topin, 2018, arXiv:1708.07120.

    >>> shift = OneCycleShift("lr", max_count=4, warmup=0.5, start_factor=10, end_factor=100)
    >>> [round(shift.value_at(t, init=1.0), 3) for t in range(6)]
    [0.1, 0.55, 1.0, 0.505, 0.01, 0.01]
    """

    def __init__(
        self,
        attr: str,
        max_count: int,
        init: float | None = None,
        warmup: float = 0.3,
        start_factor: float = 25.0,
        end_factor: float = 1e4,
        optimizer: Any = None,
    ) -> None:
        super().__init__(attr, init, optimizer)
        check_at_least("max_count", max_count, 1)
        if not 0 <= warmup < 1:
            raise ValueError(f"OneCycleShift(warmup={warmup}): expected a part of the calls, from 0 to below 1")
        self._peak_at = warmup * max_count
        self._max_count = max_count
        self._start_factor = start_factor
        self._end_factor = end_factor

    def value_at(self, t: int, init: float) -> float:
        if t < self._peak_at:
            return _along_cosine(init / self._start_factor, init, t / self._peak_at)
        part = (t - self._peak_at) / (self._max_count - self._peak_at)
        return _along_cosine(init, init / self._end_factor, part)


def _along_cosine(first: float, last: float, part: float) -> float:
    if part >= 1:
        return last
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2
