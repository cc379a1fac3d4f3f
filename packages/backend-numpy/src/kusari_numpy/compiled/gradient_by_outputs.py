"""Gradients of filters whose rows are output channels: images are read as they lie, and nothing is turned."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.panels import HEIGHTS
from kusari_numpy.compiled.rows import sum_lanes
from kusari_numpy.compiled.tile import add_tile_up_to
from kusari_numpy.compiled.together import together
from kusari_numpy.compiled.turns import go_on, is_last, take, wait
from kusari_numpy.compiled.vectors import REGISTERS, TALLEST, WIDEST


@jit
def gradient_by_outputs(
    x: Any, taps: Any, channels: int, g: Any, lines: Any, steps: tuple[int, int], gradient: Any, part: Any,
    per_block: int, packed: Any, apart: Any,
) -> None:  # fmt: skip
    """gradient[o, tap, c] = Σ g[…, o] x[… + taps[tap] + c] over all pixels.

    Args:
        x: Bordered images, flat.
        taps: How far from a window's begin each tap's first channel is.
        channels: Of x.
        g: (pixels, O or more), flat.
        lines: (place of the first window in x, of the first pixel in g, pixels) of each line of output pixels.
        steps: From one pixel of a line to the next, in x and in g.
        gradient: (O, taps · channels), flat.
        part: The first output channel and the one after the last; and likewise of panels, of which each tap has
            as many as there are, four vectors wide, in its channels.
        per_block: Lines that go by before the next block, for all rows.
        packed: Scratch memory for a panel of a block's pixels, of which g has no gaps between lines then. None at all:
            x is read as it lies.
        apart: Scratch memory for a block's pixels of g, with a vector between them, likewise; only with ``packed``.
    """
    lanes = REGISTERS.bytes // x.itemsize
    across = WIDEST * lanes
    (left, right), units = part
    height, panels = right - left, -(-channels // across)
    lowest, nothing = x.dtype.type(-np.inf), np.zeros(across, x.dtype)
    rows = left + np.minimum(np.arange(height + TALLEST), height - 1)  # a tile may be higher: it repeats the last row
    targets, whole = rows * (len(taps) * channels), np.zeros((1, 3), np.int64)
    a, a_step = g, steps[1]
    for begin in range(0, len(lines), per_block):
        some = lines[begin : begin + per_block]
        runs = np.stack((some[:, 1], some[:, 0], some[:, 2]), axis=1)
        whole[0, 0] = some[0, 1]
        if len(apart) > 0:
            _pack(g, some[:, 1:], left, steps[1], height, height + lanes, apart)
            a, a_step, whole[0, 0] = apart, height + lanes, -left  # where channel number 0 would be
        for unit in range(units[0], units[1]):
            tap, channel = unit // panels, unit % panels * across
            real = min(channels - channel, across)
            width = -(-real // lanes)
            b, start, step = x, taps[tap] + channel, steps[0]
            if len(packed) > 0:
                whole[0, 2] = _pack(x, some[:, ::2], start, step, real, width * lanes, packed)
                b, start, step, runs = packed, 0, width * lanes, whole
            into = targets + (tap * channels + channel)
            for row in range(0, height, HEIGHTS[width - 1]):
                add_tile_up_to(
                    width, a, rows, row, b, start, runs, 0, len(runs), (a_step, step), gradient, into, 0, real,
                    nothing, lowest, begin > 0,
                )  # fmt: skip


# Counters: threads; parts that are taken and that are done, and whether all are; pieces that are summed.
THREAD, TAKEN, DONE, ALL_DONE, SUMMED = range(5)


@together
def gradients_in_turns(
    x: Any, taps: Any, channels: int, g: Any, runs: Any, steps: tuple[int, int], gradients: Any, parts: Any,
    per_block: int, packed: Any, apart: Any, apart_by: tuple[int, int], total: Any, turns: Any,
) -> None:  # fmt: skip
    """Compute parts of the gradients of lanes, of which threads take one after the other, and then their sum.

    Args:
        x: As in `gradient_by_outputs`, like all that are not named here.
        taps: Those of a group.
        channels: Of x that a group sees.
        g: All groups'.
        runs: Lines of all lanes, as the first group sees and makes them.
        steps: Those of a group.
        gradients: (lanes, groups, numbers); each lane has a part of the lines, one or more.
        parts: Of output channels and panels the first one's number, and that after the last: four numbers a row.
        per_block: Lines.
        packed: One row for each thread.
        apart: Likewise.
        apart_by: From what one group sees, and makes, to what the next does.
        total: Where the sum goes, flat; of a single lane, its gradient.
        turns: All 0.
    """
    thread, lanes = take(turns, THREAD), len(gradients)
    number, count = take(turns, TAKEN), lanes * len(parts)
    while number < count:
        lane = number // len(parts)
        left, right, first, last = parts[number % len(parts)]
        for group in range(gradients.shape[1]):
            lines = runs[lane * len(runs) // lanes : (lane + 1) * len(runs) // lanes].copy()
            lines[:, 0] += group * apart_by[0]
            lines[:, 1] += group * apart_by[1]
            gradient_by_outputs(
                x, taps, channels, g, lines, steps, gradients[lane, group], ((left, right), (first, last)), per_block,
                packed[thread], apart[thread],
            )  # fmt: skip
        if is_last(turns, count, DONE):
            go_on(turns, ALL_DONE)
        number = take(turns, TAKEN)
    if lanes > 1:
        wait(turns, ALL_DONE)
        sum_lanes(gradients.reshape(lanes, -1), total, turns, SUMMED)


@jit
def _pack(x: Any, lines: Any, at: int, step: int, real: int, width: int, packed: Any) -> int:
    """Copy ``real`` numbers of each pixel of lines (place, pixels) into rows of ``width``; return how many pixels."""
    place = 0
    for line in range(len(lines)):
        for k in range(lines[line, 1]):
            source, into = np.uint64(lines[line, 0] + at + k * step), np.uint64(place)
            for j in range(np.uint64(real)):
                packed[into + j] = x[source + j]
            place += width
    return place // width
