"""Convolution without unfolding: tiles of output pixels by channels, to which all taps of the window are added.

Images carry their border of zeros and lie channels-last in flat memory, so that what a pixel sees begins at one place,
and each tap lies at a fixed distance from it. A *grid* of pixels is ((D, H, W), place of the first, distances between
images and along the three axes). Filters are packed in *panels* of a tile's width, one after the other.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.panels import pack_groups
from kusari_numpy.compiled.tile import add_tile_up_to
from kusari_numpy.compiled.together import in_ranges, together
from kusari_numpy.compiled.turns import go_on, is_last, take, wait
from kusari_numpy.compiled.vectors import REGISTERS, TALLEST, WIDEST

HEIGHTS: Final = REGISTERS.rows


@jit
def places(table: Any, first: int, last: int, grid: Any) -> None:
    """Write where the pixels ``first`` to ``last`` of a batch begin; what is left of the table repeats the last one."""
    (depth, height, width), origin, (image, plane, line, step) = grid
    pixel = first
    while pixel < last:
        row, w = pixel // width, pixel % width
        begin = origin + row // (height * depth) * image + row // height % depth * plane + row % height * line
        length = min(width - w, last - pixel)
        for k in range(length):
            table[pixel - first + k] = begin + (w + k) * step
        pixel += length
    for row in range(last - first, len(table)):
        table[row] = table[last - first - 1]


@jit
def convolve(
    x: Any, source: Any, filters: Any, segments: Any, y: Any, target: Any, pixels: Any, vectors: Any, bias: Any,
    floor: Any, block: int, group: int, outputs: int,
) -> None:  # fmt: skip
    """Compute a range of output pixels, and of each a range of channels.

    Args:
        x: Bordered images, flat.
        source: The grid of places where windows begin.
        filters: Panels (reach, width).
        segments: (place in the window, row of a panel, length) of each run of taps that lie side by side.
        y: Flat.
        target: The grid of places where the channels of a pixel of y begin.
        pixels: The first one's number, and that after the last.
        vectors: Of channels, likewise; the first one begins a panel.
        bias: One number for each channel, and zeros up to a whole vector.
        floor: Nothing in y is below it.
        block: Pixels that all panels are applied to before the next ones.
        group: Rows of a panel that are applied to them at a time.
        outputs: Channels of y; what is behind them in the last vector is not written.
    """
    lanes = REGISTERS.bytes // x.itemsize
    reach = len(filters) // len(bias)
    rows, targets = np.empty(block + TALLEST, np.int64), np.empty(block + TALLEST, np.int64)
    panels = np.empty((WIDEST + 1, *segments.shape), np.int64)
    for width in range(1, WIDEST + 1):
        panels[width] = segments
        panels[width, :, 1] *= width * lanes
    for start in range(pixels[0], pixels[1], block):
        count = min(block, pixels[1] - start)
        places(rows, start, start + count, source)
        places(targets, start, start + count, target)
        begin = 0
        while begin < len(segments):
            end, held = begin + 1, segments[begin, 2]
            while end < len(segments) and held + segments[end, 2] <= group:
                held += segments[end, 2]
                end += 1
            lowest = floor if end == len(segments) else x.dtype.type(-np.inf)
            for vector in range(vectors[0], vectors[1], WIDEST):
                width = min(WIDEST, vectors[1] - vector)
                runs = panels[width]
                for row in range(0, count, HEIGHTS[width - 1]):
                    add_tile_up_to(
                        width, x, rows, row, filters, vector * lanes * reach, runs, begin, end, (1, width * lanes),
                        y, targets, vector * lanes, outputs, bias, lowest, begin > 0,
                    )  # fmt: skip
            begin = end


# Counters: parts that are taken; panels that are taken and that are packed, and whether all are.
TAKEN, PANELS, PANELS_DONE, PACKED = range(4)


@together
def convolve_parts(
    x: Any, source: Any, inputs: int, filters: Any, packing: Any, segments: Any, y: Any, target: Any, outputs: int,
    parts: Any, biases: Any, floor: Any, blocks: Any, turns: Any,
) -> None:  # fmt: skip
    """Compute parts of the output, of which threads take one after the other.

    Args:
        x: As in `convolve`, like all that are not named here.
        source: The grid of what the first group sees.
        inputs: Channels of x that a group sees.
        filters: (groups, panels).
        packing: Of panels that are to be packed first; see `kusari_numpy.convolution.panels`.
        segments: Those of a group.
        y: Flat.
        target: The grid of what the first group makes.
        outputs: Channels of y that a group makes.
        parts: Of pixels, vectors and groups the first one's number, and that after the last: six numbers a row.
        biases: (groups, channels in whole vectors).
        floor: Nothing in y is below it.
        blocks: (block, group).
        turns: All 0.
    """
    _pack_first(filters, packing, turns)
    number = take(turns, TAKEN)
    while number < len(parts):
        begin, end, left, right, first, last = parts[number]
        for group in range(first, last):
            seen = source[0], source[1] + group * inputs, source[2]
            made = target[0], target[1] + group * outputs, target[2]
            convolve(
                x, seen, filters[group], segments, y, made, (begin, end), (left, right), biases[group], floor,
                blocks[0], blocks[1], outputs,
            )  # fmt: skip
        number = take(turns, TAKEN)


@jit
def _pack_first(filters: Any, packing: Any, turns: Any) -> None:
    """Pack panels, which threads take in turn, and wait until all are packed."""
    W, steps, order, size, each, count = packing
    if count == 0:
        return
    panel = take(turns, PANELS)
    while panel < count:
        pack_groups(W, steps, order, size, each, filters, panel, panel + 1)
        if is_last(turns, count, PANELS_DONE):
            go_on(turns, PACKED)
        panel = take(turns, PANELS)
    wait(turns, PACKED)


@jit
def enclose(images: Any, bordered: Any, before: Any, first: int, last: int) -> None:
    """Copy the planes ``first`` to ``last`` of images (groups, N, D, H, W, C), with any strides, into their border.

    A group's images lie in ``bordered`` (groups, N, …) behind those of the group before; the border is zeros.
    """
    _, count, depth, height, width, channels = images.shape
    for plane in range(first, last):
        group, n, z = plane // bordered.shape[2] // count, plane // bordered.shape[2] % count, plane % bordered.shape[2]
        d = z - before[0]
        for row in range(bordered.shape[3]):
            h = row - before[1]
            target = bordered[group, n, z, row]
            if d < 0 or d >= depth or h < 0 or h >= height:
                target[:] = 0
                continue
            target[: before[2]] = 0
            for w in range(width):
                for c in range(channels):
                    target[before[2] + w, c] = images[group, n, d, h, w, c]
            target[before[2] + width :] = 0


enclose_in_ranges = in_ranges(enclose)
