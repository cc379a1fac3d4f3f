"""Winograd's convolution as work that threads take in turn."""

from __future__ import annotations

from typing import Any

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.rows import sum_lanes
from kusari_numpy.compiled.together import in_ranges, together
from kusari_numpy.compiled.turns import go_on, is_last, take, wait
from kusari_numpy.compiled.winograd import (
    add_gradient,
    convolve_panel,
    convolve_strips,
    filters_from_patches,
    gradient_block,
    gradient_strips,
    gradient_to_patches,
    row_length_of,
    to_patches,
    transform_filters,
)
from kusari_numpy.winograd_matrices import PLACES

# Counters: threads; pieces of work that are taken; of what comes before others, those taken and done, and whether all
# are; pieces of lanes that are summed.
THREAD, TAKEN, BEFORE, BEFORE_DONE, GO_ON, SUMMED = range(6)

transform_filters_in_ranges = in_ranges(transform_filters)
filters_from_patches_in_ranges = in_ranges(filters_from_patches)


@together
def convolve_by_strips(
    image: Any, U: Any, y: Any, bias: Any, floor: Any, patches: Any, products: Any, strips: int, per_task: int,
    step: int, tile: int, down: int, across: int, pad: tuple[int, int], turns: Any,
) -> None:  # fmt: skip
    """Compute all strips, of which a thread takes ``per_task`` at a time.

    See `kusari_numpy.compiled.winograd.convolve_strips`; patches and products have a part for each thread.
    """
    thread, task = take(turns, THREAD), take(turns, TAKEN)
    while task * per_task < strips:
        some = (task * per_task, min((task + 1) * per_task, strips))
        convolve_strips(
            image, U, y, bias, floor, patches[thread], products[thread], some, step, tile, down, across, pad
        )
        task = take(turns, TAKEN)


@together
def convolve_by_panels(
    image: Any, windows: Any, window: int, U: Any, y: Any, bias: Any, floor: Any, patches: Any, products: Any,
    width: int, block: int, strips: int, pieces: int, tile: int, down: int, across: int, pad: tuple[int, int],
    turns: Any,
) -> None:  # fmt: skip
    """Make all patches, of which a thread takes a piece at a time; then compute ``width`` channels of y at a time.

    See `kusari_numpy.compiled.winograd.convolve_panel`; U and products are flat memory for each thread.
    """
    thread, piece = take(turns, THREAD), take(turns, BEFORE)
    while piece < pieces:
        first, last = piece * strips // pieces, (piece + 1) * strips // pieces
        to_patches(image, patches, tile, first, last, down, across, pad, first * across)
        if is_last(turns, pieces, BEFORE_DONE):
            go_on(turns, GO_ON)
        piece = take(turns, BEFORE)
    wait(turns, GO_ON)
    panel = take(turns, TAKEN)
    while panel * width < len(bias):
        begin, end = panel * width, min((panel + 1) * width, len(bias))
        length = row_length_of(PLACES * (end - begin), patches)
        made = products[thread, : len(patches) * length].reshape(len(patches), length)
        convolve_panel(
            patches, windows[:, begin:end], window, U[thread], made, bias[begin:end], floor, y, begin, block, tile,
            strips, down, across,
        )  # fmt: skip
        panel = take(turns, TAKEN)


@jit
def _both_patches(
    image: Any, gy: Any, patches: Any, gradients: Any, strips: tuple[int, int], pieces: int, tile: int, down: int,
    across: int, pad: tuple[int, int], turns: Any,
) -> None:  # fmt: skip
    """Make the patches of x and of gy that some strips have, a piece at a time, and wait until all are made."""
    start, count = strips[0], strips[1] - strips[0]
    piece = take(turns, BEFORE)
    while piece < pieces:
        first, last = start + count * piece // pieces, start + count * (piece + 1) // pieces
        to_patches(image, patches, tile, first, last, down, across, pad, (first - start) * across)
        gradient_to_patches(gy, gradients, tile, first, last, down, across, (first - start) * across)
        if is_last(turns, pieces, BEFORE_DONE):
            go_on(turns, GO_ON)
        piece = take(turns, BEFORE)
    wait(turns, GO_ON)


@together
def gradient_by_places(
    image: Any, gy: Any, gU: Any, patches: Any, gradients: Any, rows: Any, panel: Any, by_outputs: bool, at_once: int,
    strips: tuple[int, int], pieces: int, tile: int, down: int, across: int, pad: tuple[int, int], turns: Any,
) -> None:  # fmt: skip
    """Add the share of some strips to gU; the first ones begin it. A thread takes so many places at a time.

    See `kusari_numpy.compiled.winograd.add_gradient`; rows and panel are what it packs into, for each thread. Each
    place is added up by one thread at a time in the batch's order: nothing varies.
    """
    thread = take(turns, THREAD)
    _both_patches(image, gy, patches, gradients, strips, pieces, tile, down, across, pad, turns)
    seen, made, packed = (0, image.shape[3]), (0, gy.shape[3]), (rows[thread], panel[thread])
    place = take(turns, TAKEN) * at_once
    while place < PLACES:
        part, add = (place, min(place + at_once, PLACES)), strips[0] > 0
        if by_outputs:
            add_gradient(gradients, made, patches, seen, gU, part, add, packed)
        else:
            add_gradient(patches, seen, gradients, made, gU, part, add, packed)
        place = take(turns, TAKEN) * at_once


@together
def gradient_by_blocks(
    image: Any, gy: Any, windows: Any, window: int, patches: Any, gradients: Any, U: Any, rows: Any, panel: Any,
    block: int, strips: tuple[int, int], pieces: int, tile: int, down: int, across: int, pad: tuple[int, int],
    turns: Any,
) -> None:  # fmt: skip
    """Compute windows (O, C, taps), of which a thread takes a block of channels at a time.

    See `kusari_numpy.compiled.winograd.gradient_block`; U, rows and panel are memory for each thread.
    """
    thread = take(turns, THREAD)
    _both_patches(image, gy, patches, gradients, strips, pieces, tile, down, across, pad, turns)
    outputs, channels, _ = windows.shape
    wide, packed = -(-channels // block), (rows[thread], panel[thread])
    number = take(turns, TAKEN)
    while number < wide * -(-outputs // block):
        first, begin = number // wide * block, number % wide * block
        some = windows[first : first + block, begin : begin + block]
        gradient_block(gradients, first, patches, begin, U[thread], some, window, packed)
        number = take(turns, TAKEN)


@together
def gradient_by_lanes(
    image: Any, gy: Any, lanes: Any, total: Any, patches: Any, gradients: Any, rows: Any, panel: Any,
    by_outputs: bool, strips: int, step: int, tile: int, down: int, across: int, pad: tuple[int, int], turns: Any,
) -> None:  # fmt: skip
    """Compute gU of lanes of strips, one or more of them each, which threads take in turn, and then their sum.

    See `kusari_numpy.compiled.winograd.gradient_strips`; patches, gradients, rows and panel are memory for each thread.
    """
    thread, lane = take(turns, THREAD), take(turns, TAKEN)
    packed = rows[thread], panel[thread]
    while lane < len(lanes):
        some = (lane * strips // len(lanes), (lane + 1) * strips // len(lanes))
        gradient_strips(
            image, gy, lanes[lane], patches[thread], gradients[thread], by_outputs, some, step, tile, down, across,
            pad, packed,
        )  # fmt: skip
        if is_last(turns, len(lanes), BEFORE_DONE):
            go_on(turns, GO_ON)
        lane = take(turns, TAKEN)
    wait(turns, GO_ON)
    sum_lanes(lanes.reshape(len(lanes), -1), total.reshape(-1), turns, SUMMED)
