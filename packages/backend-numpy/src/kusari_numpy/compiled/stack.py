"""A convolution and the 1×1 convolutions behind it, forward and back, for one piece of the images at a time.

Each layer's numbers are flat rows of memory, (pixels, channels in whole vectors): those of all pixels, or, where nobody
wants them later, of one piece. Pieces follow one another in one call, for threads that come back to the interpreter
after each product wait for each other there: two of them took 246 ms for NIN's first stack so, one took 315.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.direct import convolve
from kusari_numpy.compiled.gradient import filter_gradient
from kusari_numpy.compiled.options import inlined, jit
from kusari_numpy.compiled.rows import rectify_grad, rectify_grad_to, sum_rows
from kusari_numpy.compiled.together import together
from kusari_numpy.compiled.turns import take
from kusari_numpy.compiled.vectors import REGISTERS, TALLEST


@inlined
def _grid(count: int, width: int, first: int) -> Any:
    """Return the grid of rows of memory, of which that numbered ``first`` is the first in it."""
    return (1, 1, count), -first * width, (0, 0, 0, width)


@inlined
def _first_row(rows: Any, width: int, pixels: int, begin: int) -> int:
    """Return the number of a layer's first row in memory: 0 of all pixels, else ``begin``, where the piece begins."""
    return 0 if len(rows) == pixels * width else begin


@together
def stack_forward(
    images: Any, seen: Any, segments: Any, filters: Any, biases: Any, floors: Any, outputs: Any, blocks: Any,
    pixels: int, line: int, per_piece: int, per_task: int, turns: Any,
) -> None:  # fmt: skip
    """Send all lines of pixels through all layers, ``per_piece`` at a time; threads take turns.

    Args:
        images: Bordered, flat.
        seen: The grid of places in them where windows begin.
        segments: Of each layer, as `kusari_numpy.compiled.direct.convolve` has them; likewise all that follow.
        filters: Panels.
        biases: In whole vectors.
        floors: Nothing behind a layer is below it.
        outputs: What they make: of all pixels, or of one piece for each thread.
        blocks: (block, group).
        pixels: In all images.
        line: Pixels in a line.
        per_piece: Lines.
        per_task: Lines that a thread takes at a time.
        turns: How many tasks are taken, and how many threads there are.
    """
    lines, before = pixels // line, take(turns, 1) * per_piece * line
    task = take(turns, 0)
    while task * per_task < lines:
        some = (task * per_task, min((task + 1) * per_task, lines))
        _lines_forward(
            images, seen, segments, filters, biases, floors, outputs, blocks, some, pixels, line, per_piece, before
        )
        task = take(turns, 0)


@jit
def _lines_forward(
    images: Any, seen: Any, segments: Any, filters: Any, biases: Any, floors: Any, outputs: Any, blocks: Any,
    lines: tuple[int, int], pixels: int, line: int, per_piece: int, before: int,
) -> None:  # fmt: skip
    """Send lines through all layers; in memory for single pieces, there are ``before`` rows of other threads."""
    lanes = REGISTERS.bytes // images.itemsize
    for start in range(lines[0], lines[1], per_piece):
        begin, end = start * line, min(start + per_piece, lines[1]) * line
        source = seen
        for layer in range(len(outputs)):
            width = len(biases[layer])
            made = _grid(pixels, width, _first_row(outputs[layer], width, pixels, begin - before))
            vectors = (0, width // lanes)
            if layer == 0:
                convolve(
                    images, seen, filters[0], segments[0], outputs[0], made, (begin, end), vectors, biases[0],
                    floors[0], blocks[0][0], blocks[0][1], width,
                )  # fmt: skip
            else:
                convolve(
                    outputs[layer - 1], source, filters[layer], segments[layer], outputs[layer], made, (begin, end),
                    vectors, biases[layer], floors[layer], blocks[layer][0], blocks[layer][1], width,
                )  # fmt: skip
            source = made


@jit
def stack_backward(
    images: Any, runs: Any, steps: tuple[int, int], rows: Any, targets: Any, outputs: Any, widths: Any,
    rectified: tuple[bool, bool], gy: Any, inner: Any, panels: Any, segments: Any, blocks: Any, filters: Any,
    biases: Any, as_it_is: Any, scratch: Any, lines: tuple[int, int], line: int, per_piece: int,
) -> None:  # fmt: skip
    """Go through some lines of pixels, ``per_piece`` at a time, from the last layer to the first.

    Args:
        images: Bordered, flat.
        runs: (place in images, place in the first layer's gradient, pixels) of each line.
        steps: From one pixel to the next in both.
        rows: Of each layer, where what its filters see lies in its input, as in
            `kusari_numpy.compiled.gradient.filter_gradient`; likewise ``targets``.
        targets: Where the rows of its filters' gradient begin.
        outputs: What the layers made; of the last, what is behind its activation, if it has one.
        widths: Of the layers, in whole vectors.
        rectified: Whether there is a ReLU between the layers, and behind the last.
        gy: The gradient of y.
        inner: For the gradient behind each layer's products; that of the last is gy where no activation follows.
        panels: Filters of each layer, transposed; none of the first.
        segments: Of what they see; none of the first.
        blocks: (block, group) of each.
        filters: Sums of the gradients of each layer's filters.
        biases: Of its bias.
        as_it_is: Whether a layer's input is read as it lies.
        scratch: Memory for `filter_gradient`: packed, turned.
        lines: The first one and the one after the last.
        line: Pixels in a line.
        per_piece: Lines.
    """
    top = len(widths) - 1
    pixels, places = len(gy) // widths[top], (widths, segments, blocks, rows, targets)
    for start in range(lines[0], lines[1], per_piece):
        stop = min(start + per_piece, lines[1])
        begin, count = start * line, (stop - start) * line
        g = _piece(inner[top], widths[top], pixels, begin, count)
        if rectified[1]:
            y = _piece(outputs[top], widths[top], pixels, begin, count)
            rectify_grad_to(y, _piece(gy, widths[top], pixels, begin, count), g)
        for layer in range(top, 0, -1):
            turned = scratch[1][:0] if as_it_is[layer] else scratch[1]
            x = _piece(outputs[layer - 1], widths[layer - 1], pixels, begin, count)
            below = _piece(inner[layer - 1], widths[layer - 1], pixels, begin, count)
            _layer_back(layer, x, g, below, places, panels[layer], filters[layer], biases[layer], scratch[0], turned)
            if rectified[0]:
                rectify_grad(x, below)
            g = below
        some = runs[start:stop].copy()
        some[:, 1] -= some[0, 1]
        sum_rows(g, biases[0])
        turned = scratch[1][:0] if as_it_is[0] else scratch[1]
        filter_gradient(
            images, rows[0], len(rows[0]) - TALLEST, g.reshape(-1), some, steps, filters[0], targets[0], widths[0],
            len(some), True, scratch[0], turned,
        )  # fmt: skip


@jit
def _layer_back(
    layer: int, x: Any, g: Any, below: Any, places: Any, panels: Any, filters: Any, bias: Any, packed: Any, turned: Any
) -> None:
    """Add a 1×1 layer's gradients of filters and bias, and write that of its input, x, to ``below``."""
    widths, segments, blocks, rows, targets = places
    (count, inputs), width = x.shape, widths[layer]
    sum_rows(g, bias)
    filter_gradient(
        x.reshape(-1), rows[layer], len(rows[layer]) - TALLEST, g.reshape(-1), np.array([[0, 0, count]]),
        (inputs, width), filters, targets[layer], width, 1, True, packed, turned,
    )  # fmt: skip
    nothing, lanes = np.zeros(inputs, g.dtype), REGISTERS.bytes // g.itemsize
    convolve(
        g.reshape(-1), _grid(count, width, 0), panels, segments[layer], below.reshape(-1), _grid(count, inputs, 0),
        (0, count), (0, inputs // lanes), nothing, g.dtype.type(-np.inf), blocks[layer][0], blocks[layer][1],
        inputs,
    )  # fmt: skip


@inlined
def _piece(rows: Any, width: int, pixels: int, begin: int, count: int) -> Any:
    """Return a layer's rows of one piece, (pixels, width)."""
    first = begin - _first_row(rows, width, pixels, begin)
    return rows[first * width : (first + count) * width].reshape(count, width)
