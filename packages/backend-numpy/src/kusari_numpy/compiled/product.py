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

TURNED: Final = 96
"""Rows of a that are transposed at a time."""


@jit
def multiply(
    a: Any, a_steps: tuple[int, int], b: Any, b_steps: tuple[int, int], y: Any, size: tuple[int, int], part: Any,
    packed: Any, turned: Any,
) -> None:  # fmt: skip
    """Compute rows and columns of y = a b.

    Args:
        a: (M, K), flat.
        a_steps: From one row of a to the next and from one column to the next, one of which is 1.
        b: (K, N), flat.
        b_steps: Likewise.
        y: (M, N), flat.
        size: K and N.
        part: The first row of y that is computed and that after the last, and likewise of panels.
        packed: Scratch memory for panels that all rows of a go by before the next ones: HELD numbers.
        turned: Scratch memory for rows of a whose columns are dense: TURNED · DEEPEST numbers.
    """
    lanes = REGISTERS.bytes // a.itemsize
    across = WIDEST * lanes
    depth, columns = size
    first, last, begin, end = part
    direct = a_steps[1] == 1
    block = last - first if direct else TURNED
    inside = np.arange(block + TALLEST)
    together = len(packed) // (min(depth, DEEPEST) * across)
    one = np.zeros(1, np.int64)  # the only tap's number
    nothing = np.zeros(max(columns, across), a.dtype)
    for some in range(begin, end, together):
        count = min(together, end - some)
        sides = (some * across, min((some + count) * across, columns))
        for k in range(0, depth, DEEPEST):
            length = min(DEEPEST, depth - k)
            begin_b, extent = k * b_steps[0] + sides[0] * b_steps[1], (length, sides[1] - sides[0])
            pack(b, begin_b, b_steps, one, extent, 0, count, packed)
            for row in range(first, last, block):
                held = min(block, last - row)
                rows = np.minimum(inside[: held + TALLEST], held - 1)  # a tile may be higher: it repeats the last row
                targets = (row + rows) * columns
                if direct:
                    sources = (row + rows) * a_steps[0] + k
                    _go_by(a, sources, packed, length, y, targets, sides, nothing, k > 0)
                else:
                    pitch = -(-length // lanes) * lanes
                    _turn_rows(a, row + k * a_steps[1], a_steps[1], turned, pitch, length, held)
                    _go_by(turned, rows * pitch, packed, length, y, targets, sides, nothing, k > 0)


@jit
def _go_by(
    a: Any, sources: Any, packed: Any, depth: int, y: Any, targets: Any, sides: tuple[int, int], nothing: Any, add: bool
) -> None:
    """Send rows of a by panels that are packed, for the columns of y between two ``sides``."""
    lanes = REGISTERS.bytes // a.itemsize
    across = WIDEST * lanes
    lowest = a.dtype.type(-np.inf)
    run = np.zeros((1, 3), np.int64)
    run[0, 2] = depth
    left, right = sides
    whole = left + (right - left) // across * across
    rows = len(sources) - TALLEST
    for row in range(0, rows, HEIGHTS[WIDEST - 1]):
        for column in range(left, whole, across):
            add_tile(
                WIDEST, a, sources, row, packed, (column - left) * depth, run, 0, 1, (1, across), y, targets, column,
                nothing, lowest, add,
            )  # fmt: skip
    if whole == right:
        return
    # The last tiles are wider than y, and go by memory of their own.
    width = -(-(right - whole) // lanes)
    spare, inside = np.empty((TALLEST, across), a.dtype), np.arange(TALLEST) * across
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
def _turn_rows(a: Any, at: int, step: int, turned: Any, pitch: int, length: int, rows: int) -> None:
    """Copy rows of a, from a place on, whose numbers are ``step`` apart, into rows that are dense."""
    lanes = REGISTERS.bytes // a.itemsize
    places = np.arange(0, rows * pitch, pitch)
    for k in range(0, length, lanes):
        for row in range(0, rows, lanes):
            turn(a, at + k * step + row, step, turned, k, places, row, min(lanes, rows - row), min(lanes, length - k))


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
