"""Gradients of filters: products of what windows see with the gradients of what they made, over all pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.panels import HEIGHTS, ROWS, go_by, turn_rows
from kusari_numpy.compiled.tile import add_tile
from kusari_numpy.compiled.vectors import REGISTERS, TALLEST, WIDEST


@jit
def filter_gradient(
    x: Any, rows: Any, count: int, g: Any, lines: Any, steps: tuple[int, int], gradient: Any, targets: Any,
    outputs: int, per_block: int, add: bool, packed: Any, turned: Any,
) -> None:  # fmt: skip
    """gradient[targets[row], :] = Σ x[rows[row] + …] g over all pixels, for ``count`` rows; or += with ``add``.

    Args:
        x: Bordered images, flat.
        rows: Where in x each tap's channels lie, seen from a window's begin; as much longer than ``count`` as a tile is
            high, and the last one again in the rest.
        count: Rows.
        g: (pixels, O or more), flat.
        lines: (place of the first window in x, of the first pixel in g, pixels) of each line of output pixels.
        steps: From one pixel of a line to the next, in x and in g.
        gradient: Flat.
        targets: Where in it the rows begin, (O,) each in whole vectors; as long as ``rows``, likewise.
        outputs: O.
        per_block: Lines that go by before the next block, for all rows.
        add: Keep what gradient holds.
        packed: Scratch memory for a block of g: O in whole vectors for each of its pixels.
        turned: Scratch memory for a block of x: ROWS of as many numbers as it has pixels, and two vectors more. None
            at all: x is read as it is, which is for pixels that lie close together.
    """
    lanes = REGISTERS.bytes // x.itemsize
    columns = -(-outputs // lanes) * lanes
    nothing, inside = np.zeros(columns, x.dtype), np.arange(ROWS + TALLEST)
    lowest, sides = x.dtype.type(-np.inf), (0, columns)
    for begin in range(0, len(lines), per_block):
        some = lines[begin : begin + per_block].copy()
        length = _pack(g, some, steps[1], outputs, columns, packed)
        keep = add or begin > 0
        if len(turned) == 0:
            _go_as_it_is(x, rows, count, some, steps[0], packed, length, gradient, targets, nothing, keep)
            continue
        pitch = (length + 2 * lanes) // lanes * lanes
        for row in range(0, count, ROWS):
            held = np.minimum(inside[: min(ROWS, count - row) + TALLEST], min(ROWS, count - row) - 1)
            turn_rows(x, rows[row : row + held[-1] + 1], some, steps[0], turned, pitch)
            go_by(turned, held * pitch, packed, length, gradient, targets[row + held], sides, nothing, lowest, keep)


@jit
def _pack(g: Any, lines: Any, step: int, outputs: int, columns: int, packed: Any) -> int:
    """Copy the lines of g as panels, write down where each begins in a panel of one column, and return all pixels.

    Rows of g lie far apart; distances of a power of two make them drive each other out of the cache.
    """
    lanes = REGISTERS.bytes // g.itemsize
    length = lines[:, 2].sum()
    for left in range(0, columns, WIDEST * lanes):
        width = min(WIDEST * lanes, columns - left)
        real, place = min(width, outputs - left), left * length
        for line in range(len(lines)):
            for k in range(lines[line, 2]):
                source, into = np.uint64(lines[line, 1] + k * step + left), np.uint64(place)
                for j in range(np.uint64(real)):
                    packed[into + j] = g[source + j]
                for j in range(np.uint64(real), np.uint64(width)):
                    packed[into + j] = 0
                place += width
    place = 0
    for line in range(len(lines)):
        lines[line, 1] = place
        place += lines[line, 2]
    return length


@jit
def _go_as_it_is(
    x: Any, rows: Any, count: int, lines: Any, step: int, packed: Any, length: int, gradient: Any, targets: Any,
    nothing: Any, add: bool,
) -> None:  # fmt: skip
    lanes = REGISTERS.bytes // x.itemsize
    lowest, runs = x.dtype.type(-np.inf), lines.copy()
    for left in range(0, len(nothing), WIDEST * lanes):
        width = min(WIDEST, (len(nothing) - left) // lanes)
        runs[:, 1] = lines[:, 1] * width * lanes
        for row in range(0, count, HEIGHTS[width - 1]):
            add_tile(
                width, x, rows, row, packed, left * length, runs, 0, len(runs), (step, width * lanes), gradient,
                targets, left, len(nothing), nothing, lowest, add,
            )  # fmt: skip
