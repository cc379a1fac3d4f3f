"""Matrix products by tiles, for matrices whose rows are dense.

A *panel* is a few columns of b, as wide as a tile, row after row: it stays in the L2 cache while rows of a go by.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.panels import pack
from kusari_numpy.compiled.tile import add_tile
from kusari_numpy.compiled.turn import turn
from kusari_numpy.compiled.vectors import REGISTERS, TALLEST, WIDEST

HEIGHTS: Final = REGISTERS.rows
DEEPEST: Final = 512
"""Rows of a panel: those of a that meet it, as many as a tile has, stay in the L1 cache."""
HELD: Final = 2**17
"""Numbers of panels, which stay in the L2 cache: 512 KiB of float32, and at least one panel."""


@jit
def multiply(
    a: Any, pitch: int, b: Any, steps: tuple[int, int], y: Any, columns: int, depth: int, part: Any, packed: Any
) -> None:
    """Compute rows and columns of y = a b.

    Args:
        a: (M, K), flat, ``pitch`` numbers from a row to the next.
        pitch: See a.
        b: (K, N), flat.
        steps: From one row of b to the next and from one column to the next, one of which is 1.
        y: (M, N), flat.
        columns: N.
        depth: K.
        part: The first row of y that is computed and that after the last, and likewise of panels.
        packed: Scratch memory for panels that all rows of a go by before the next ones: HELD numbers.
    """
    lanes = REGISTERS.bytes // a.itemsize
    across = WIDEST * lanes
    first, last, begin, end = part
    rows = np.empty(last - first + TALLEST, np.int64)
    for row in range(len(rows)):
        rows[row] = min(first + row, last - 1)
    sources, targets = rows * pitch, rows * columns
    deep = min(depth, DEEPEST)
    together = len(packed) // (deep * across)
    one = np.zeros(1, np.int64)  # the only tap's number
    for some in range(begin, end, together):
        count = min(together, end - some)
        for k in range(0, depth, DEEPEST):
            length = min(DEEPEST, depth - k)
            left, right = some * across, min((some + count) * across, columns)
            pack(b, k * steps[0] + left * steps[1], steps, one, (length, right - left), 0, count, packed)
            _multiply(a, sources + k, packed, length, y, targets, last - first, left, right, k > 0)


@jit
def _multiply(
    a: Any, sources: Any, packed: Any, depth: int, y: Any, targets: Any, rows: int, left: int, right: int, add: bool
) -> None:
    """Send rows of a by panels that are packed, for columns of y from ``left`` to ``right``."""
    lanes = REGISTERS.bytes // a.itemsize
    across = WIDEST * lanes
    nothing = np.zeros(max(right, across), a.dtype)
    lowest = a.dtype.type(-np.inf)
    run = np.zeros((1, 3), np.int64)
    run[0, 2] = depth
    spare = np.empty((TALLEST, across), a.dtype)  # for a last tile that is wider than y
    inside = np.arange(TALLEST) * across
    whole = left + (right - left) // across * across
    height = HEIGHTS[WIDEST - 1]
    for row in range(0, rows, height):
        for column in range(left, whole, across):
            add_tile(
                WIDEST, a, sources, row, packed, (column - left) * depth, run, 0, 1, (1, across), y, targets, column,
                nothing, lowest, add,
            )  # fmt: skip
    if whole == right:
        return
    width = -(-(right - whole) // lanes)
    height, steps = HEIGHTS[width - 1], (1, width * lanes)
    for row in range(0, rows, height):
        add_tile(
            width, a, sources[row:], 0, packed, (whole - left) * depth, run, 0, 1, steps, spare.reshape(-1), inside, 0,
            nothing, lowest, False,
        )  # fmt: skip
        for i in range(min(height, rows - row)):
            for j in range(right - whole):
                if add:
                    y[targets[row + i] + whole + j] += spare[i, j]
                else:
                    y[targets[row + i] + whole + j] = spare[i, j]


@jit
def transpose(x: Any, pitch: int, y: Any, columns: int, first: int, last: int, rows: int) -> None:
    """y[r, i] = x[i, r] for columns i of y from ``first`` to ``last``, a vector's number or more, and all its ``rows``.

    x has ``pitch`` numbers from one row to the next, y has ``columns``; both are flat.
    """
    lanes = REGISTERS.bytes // x.itemsize
    places = np.arange(0, rows * columns, columns)
    for r in range(0, rows, lanes):  # rows of y are written from left to right, which memory is made for
        for column in range(first, last, lanes):
            i = min(column, last - lanes)  # the last square overlaps the one before
            turn(x, i * pitch + r, pitch, y, i, places, r, min(lanes, rows - r), lanes)
