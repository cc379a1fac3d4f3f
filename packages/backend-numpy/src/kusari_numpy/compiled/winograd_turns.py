"""Winograd's convolution as work that threads take in turn."""

from __future__ import annotations

from typing import Any

from kusari_numpy.compiled.together import in_ranges, together
from kusari_numpy.compiled.turns import go_on, is_last, take, wait
from kusari_numpy.compiled.winograd import (
    convolve_panel,
    convolve_strips,
    filters_from_patches,
    gradient_to_patches,
    row_length_of,
    to_patches,
    transform_filters,
)
from kusari_numpy.winograd_matrices import PLACES

# Counters: threads; pieces of work that are taken; of what comes before it, those taken and done, and whether all are.
THREAD, TAKEN, BEFORE, BEFORE_DONE, GO_ON = range(5)

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


@together
def gradient_patches(
    image: Any, gy: Any, patches: Any, gradients: Any, start: int, stop: int, pieces: int, tile: int, down: int,
    across: int, pad: tuple[int, int], turns: Any,
) -> None:  # fmt: skip
    """Make the patches of x and of gy that the strips ``start`` to ``stop`` have; a thread takes a piece at a time."""
    piece = take(turns, TAKEN)
    while piece < pieces:
        first = start + (stop - start) * piece // pieces
        last = start + (stop - start) * (piece + 1) // pieces
        to_patches(image, patches, tile, first, last, down, across, pad, (first - start) * across)
        gradient_to_patches(gy, gradients, tile, first, last, down, across, (first - start) * across)
        piece = take(turns, TAKEN)
