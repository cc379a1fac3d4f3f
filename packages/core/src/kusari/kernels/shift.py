"""Moving groups of channels by some pixels."""

from __future__ import annotations

from typing import NamedTuple

from kusari.backend import Backend, kernel
from kusari.types import Array


class Move(NamedTuple):
    """Where the channels from ``start`` to before ``stop`` go."""

    start: int
    stop: int
    down: int
    """Pixels; negative: up."""
    right: int


@kernel
def shift(backend: Backend, x: Array, moves: tuple[Move, ...]) -> Array:
    """y[n, c, h, w] = x[n, c, h − down, w − right], 0 from outside; x (N, C, H, W), a move for each channel."""
    y: Array = backend.xp.zeros_like(x)
    for start, stop, down, right in moves:
        channels = (slice(None), slice(start, stop))
        (to_row, from_row), (to_column, from_column) = _overlap(x.shape[2], down), _overlap(x.shape[3], right)
        y[(*channels, to_row, to_column)] = x[(*channels, from_row, from_column)]
    return y


def _overlap(length: int, step: int) -> tuple[slice, slice]:
    """Return the places that are filled and those that they are filled from."""
    forth, back = min(max(step, 0), length), min(max(-step, 0), length)
    return slice(forth, length - back), slice(back, length - forth)
