"""Panels: filters in the order in which tiles read them.

A panel holds as many output channels as a tile is wide, in rows of its own: one for each tap of the window and input
channel. Where memory lies the other way round, squares of it are transposed in registers.

A million float32 numbers, one thread: copied 0.4 ms, transposed 0.6; 5 ms by loops over numbers.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.tile import add_tile, add_tile_within
from kusari_numpy.compiled.together import in_ranges
from kusari_numpy.compiled.turn import turn
from kusari_numpy.compiled.vectors import REGISTERS, TALLEST, WIDEST

HEIGHTS: Final = REGISTERS.rows
ROWS: Final = 96
"""That are turned at a time: with what goes by them, they stay in the L2 cache."""


@jit
def pack(
    W: Any, at: int, steps: tuple[int, int], order: Any, size: tuple[int, int], first: int, last: int, panels: Any
) -> None:
    """Write the panels ``first`` to ``last`` of filters W (in, out, taps).

    Args:
        W: Flat.
        at: Where the filters begin.
        steps: From one input channel to the next and from one output channel to the next; taps lie side by side.
        order: Each tap's number among a panel's, −1 for those that are left out.
        size: Input and output channels.
        first: The first panel that is written.
        last: The one after the last.
        panels: Where all panels go, one after the other; zeros fill the last vector.
    """
    lanes = REGISTERS.bytes // W.itemsize
    inputs, outputs = size
    reach = inputs * (order >= 0).sum()
    for panel in range(first, last):
        left = panel * WIDEST * lanes
        real = min(WIDEST * lanes, outputs - left)
        width = -(-real // lanes) * lanes
        into = panels[left * reach : left * reach + width * reach]
        if steps[1] == 1:
            _copy_rows(W, at + left, steps[0], inputs, real, width, into)
        else:
            _turn_rows(W, at + left * steps[1], steps, order, inputs, real, width, into)
        for row in range(reach):
            for j in range(real, width):
                into[row * width + j] = 0


@jit
def pack_groups(
    W: Any, steps: tuple[int, int], order: Any, size: tuple[int, int], each: int, panels: Any, first: int, last: int
) -> None:
    """Write the panels ``first`` to ``last`` of the filters of all groups, which have ``each`` so many: (groups, …)."""
    for number in range(first, last):
        group, panel = number // each, number % each
        pack(W, group * (len(W) // len(panels)), steps, order, size, panel, panel + 1, panels[group])


pack_groups_in_ranges = in_ranges(pack_groups)


@jit
def _copy_rows(W: Any, at: int, step: int, rows: int, real: int, width: int, panel: Any) -> None:
    for row in range(rows):
        source, into = np.uint64(at + row * step), np.uint64(row * width)
        for j in range(np.uint64(real)):
            panel[into + j] = W[source + j]


@jit
def _turn_rows(
    W: Any, at: int, steps: tuple[int, int], order: Any, inputs: int, real: int, width: int, panel: Any
) -> None:
    """Transpose what lies side by side: taps, and input channels where they come next."""
    lanes = REGISTERS.bytes // W.itemsize
    taps = len(order)
    channels = inputs if steps[0] == taps else 1  # in one run
    places = np.empty(channels * taps, np.int64)
    for channel in range(channels):
        for tap in range(taps):
            row = order[tap] * inputs + channel
            places[channel * taps + tap] = row * width if order[tap] >= 0 else -1
    for channel in range(0, inputs, channels):
        for column in range(0, real, lanes):
            source, across = at + channel * steps[0] + column * steps[1], min(lanes, real - column)
            for run in range(0, len(places), lanes):
                count = min(lanes, len(places) - run)
                turn(W, source + run, steps[1], panel, channel * width + column, places, run, count, across)


@jit
def go_by(
    a: Any, sources: Any, packed: Any, depth: int, y: Any, targets: Any, sides: tuple[int, int], bias: Any,
    lowest: Any, add: bool,
) -> None:  # fmt: skip
    """y[targets[row] + column] = Σ a[sources[row] + k] panels[k, column] + bias[column] for some columns; or +=.

    Args:
        a: Flat.
        sources: Where its rows begin; as many more as a tile may be high, the last one again.
        packed: Panels of those columns, ``depth`` rows each.
        depth: Numbers in a row of a.
        y: Flat.
        targets: Where its rows begin, likewise.
        sides: The first column, which begins a panel, and the one after the last.
        bias: One number for each column of y, whole vectors; not looked at where y is kept.
        lowest: Nothing in y is below it.
        add: Keep what y holds.
    """
    lanes = REGISTERS.bytes // a.itemsize
    across = WIDEST * lanes
    run = np.zeros((1, 3), np.int64)
    run[0, 2] = depth
    left, right = sides
    whole, rows = left + (right - left) // across * across, len(sources) - TALLEST
    for row in range(0, rows, HEIGHTS[WIDEST - 1]):
        for column in range(left, whole, across):
            add_tile(
                WIDEST, a, sources, row, packed, (column - left) * depth, run, 0, 1, (1, across), y, targets, column,
                right, bias, lowest, add,
            )  # fmt: skip
    if whole == right:
        return
    width = -(-(right - whole) // lanes)
    steps, begin = (1, width * lanes), (whole - left) * depth
    for row in range(0, rows, HEIGHTS[width - 1]):
        add_tile_within(
            width, a, sources, row, packed, begin, run, 0, 1, steps, y, targets, whole, right, bias, lowest, add
        )


@jit
def turn_rows(x: Any, rows: Any, lines: Any, step: int, turned: Any, pitch: int) -> None:
    """turned[row pitch + place of the line + k] = x[rows[row] + begin of the line + k step] for all rows and lines.

    Lines are (begin in x, place in a row, length); squares of rows that are neighbours in memory are transposed.
    """
    lanes = REGISTERS.bytes // x.itemsize
    places = np.arange(0, len(rows) * pitch, pitch)
    row = 0
    while row < len(rows):
        count = 1
        while count < lanes and row + count < len(rows) and rows[row + count] == rows[row] + count:
            count += 1
        for line in range(len(lines)):
            begin, into, length = lines[line]
            for k in range(0, length, lanes):
                turn(
                    x, begin + rows[row] + k * step, step, turned, into + k, places, row, count, min(lanes, length - k)
                )
        row += count
