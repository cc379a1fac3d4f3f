"""The steps of sequences of differing lengths: which rows each has, and what waits meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from kusari.types import Shape

A = TypeVar("A")
"""An array, or a Variable."""


class Sequences(Generic[A]):
    """One row per sequence, of which at each step the first ones take part.

    Going forth in time their number falls, and the rows of sequences that ended wait for the end; going back it rises,
    and rows join. Gradients go the other way round, by the same rules.
    """

    def __init__(self, rows: A, join: Callable[[list[A]], A]) -> None:
        self.active: Any = rows
        self.join = join
        self.waiting: list[Any] = []

    def first(self, count: int) -> A:
        """Return the first ``count`` rows as they stand."""
        if count < self.active.shape[0]:
            self.waiting.append(self.active[count:, ...])
            self.active = self.active[:count, ...]
        while count > self.active.shape[0]:
            missing, block = count - self.active.shape[0], self.waiting.pop()
            if missing < block.shape[0]:
                self.waiting.append(block[missing:, ...])
                block = block[:missing, ...]
            self.active = self.join([self.active, block])
        return self.active

    def all(self) -> A:
        """Return all rows."""
        return self.join([self.active, *reversed(self.waiting)]) if self.waiting else self.active


def walk(batch_sizes: Shape, backwards: bool) -> Iterator[slice]:
    """Yield the rows of each step, from the first to the last or from the last to the first.

    >>> list(walk((2, 1), backwards=True))
    [slice(2, 3, None), slice(0, 2, None)]
    """
    stops, total = [], 0
    for size in batch_sizes:
        total += size
        stops.append(total)
    rows = [slice(stop - size, stop) for stop, size in zip(stops, batch_sizes, strict=True)]
    return reversed(rows) if backwards else iter(rows)
