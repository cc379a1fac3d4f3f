"""The gradient of filters by Winograd's transforms, cut into pieces of work."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.convolution.channels_last import HostArray
from kusari_numpy.convolution.gradient import LANES, gradient_scratch, pixels_at_once
from kusari_numpy.convolution.winograd_filters import CHANNELS, LARGEST, block_of_filters, scratch_filters, windows_of
from kusari_numpy.convolution.winograd_sweep import CACHE, Tiling, strips_at_once
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, aligned_zeros, workspace


def filter_gradient(images: HostArray, rows: HostArray, tiling: Tiling, shape: tuple[int, ...]) -> HostArray:
    """Return gW (O, C, r, r) = Gᵀ gU G, where gU = Σ Vᵀ (A g Aᵀ) over all tiles."""
    from kusari_numpy.compiled.vectors import whole

    c, o, strips = images.shape[-1], whole(rows.shape[-1], rows.dtype), len(rows) * tiling.down
    if c * o <= LARGEST:
        return windows_of(_gradient_by_lanes(images, rows, strips, tiling, o), shape)
    if 4 * tiling.count(len(images)) * (c + o) <= c * o:
        return _gradient_by_channels(images, rows, tiling, o, shape)
    return windows_of(_gradient_by_places(images, rows, strips, tiling, o), shape)


def _gradient_by_places(images: HostArray, rows: HostArray, strips: int, tiling: Tiling, o: int) -> HostArray:
    """Return gU of many channels: its places are shared out, for some of the batch at a time."""
    from kusari_numpy.compiled.winograd import PLACES, row_length

    c = images.shape[-1]
    gU = scratch_filters((PLACES, row_length(c * o, rows.dtype)), rows.dtype)
    step = min(strips, max(1, 8 * CACHE // (36 * 4 * (c + o) * tiling.across)))
    for start in range(0, strips, step):
        _add_share(images, rows, gU, (start, min(start + step, strips)), tiling, o)
    return gU


def _gradient_by_channels(
    images: HostArray, rows: HostArray, tiling: Tiling, o: int, shape: tuple[int, ...]
) -> HostArray:
    """Return gW of many channels and few tiles, some channels at a time: all of gU is never in memory."""
    from kusari_numpy.compiled.vectors import whole
    from kusari_numpy.compiled.winograd import gradient_block

    c, edge = images.shape[-1], shape[2]
    across = -(-shape[0] // CHANNELS)
    patches, gradients = _patches(images, rows, (0, len(images) * tiling.down), tiling, o)
    gW = aligned_empty(shape, rows.dtype)
    windows = gW.reshape(*shape[:2], -1).swapaxes(0, 1)

    def work(piece: int) -> None:
        begin, left = (number * CHANNELS for number in divmod(piece, across))
        some = windows[begin : begin + CHANNELS, left : left + CHANNELS]
        outputs, gU = whole(some.shape[1], rows.dtype), block_of_filters(CHANNELS, rows.dtype)
        at_once, packed, turned = _blocks(outputs, rows.dtype)
        gradient_block(patches, begin, gradients, left, gU, some, edge, outputs, at_once, packed, turned)

    pool().run(work, across * -(-c // CHANNELS))
    return gW


def _gradient_by_lanes(images: HostArray, rows: HostArray, strips: int, tiling: Tiling, o: int) -> HostArray:
    """Return gU of few channels: each lane goes through its strips while they are in cache, with a sum of its own."""
    from kusari_numpy.compiled.winograd import PLACES, gradient_strips, row_length

    c = images.shape[-1]
    totals = aligned_zeros((LANES, PLACES, row_length(c * o, rows.dtype)), rows.dtype)
    step = strips_at_once(strips, tiling.across, c, o)

    def work(lane: int) -> None:
        some = (lane * strips // LANES, (lane + 1) * strips // LANES)
        patches, gradients = _scratch(step * tiling.across, c, o, rows)
        at_once, packed, turned = _blocks(o, rows.dtype)
        gradient_strips(images, rows, totals[lane], patches, gradients, some, step, *tiling, o, at_once, packed, turned)

    pool().run(work, LANES)
    total: HostArray = totals.sum(axis=0)
    return total


def _scratch(tiles: int, c: int, o: int, rows: HostArray) -> tuple[HostArray, HostArray]:
    """Return scratch memory for the transforms of x and gy, with zeros where whole vectors are longer than gy's."""
    from kusari_numpy.compiled.winograd import PLACES, row_length

    patches = workspace("patches", (tiles, row_length(PLACES * c, rows.dtype)), rows.dtype)
    gradients = workspace("products", (tiles, row_length(PLACES * o, rows.dtype)), rows.dtype)
    if o != rows.shape[-1]:
        gradients[...] = 0
    return patches, gradients


def _add_share(
    images: HostArray, rows: HostArray, gU: HostArray, part: tuple[int, int], tiling: Tiling, o: int
) -> None:
    """Add the share of one part of the batch to gU, of many channels; the first part begins it.

    Each place is added up by one thread at a time in the batch's order: nothing varies.
    """
    from kusari_numpy.compiled.winograd import PLACES, add_gradient

    patches, gradients = _patches(images, rows, part, tiling, o)

    def multiply(piece: int) -> None:
        places = (3 * piece, 3 * piece + 3)
        add_gradient(patches, 0, gradients, 0, gU, o, places, part[0] > 0, *_blocks(o, rows.dtype))

    pool().run(multiply, PLACES // 3)


def _patches(
    images: HostArray, rows: HostArray, part: tuple[int, int], tiling: Tiling, o: int
) -> tuple[HostArray, HostArray]:
    """Return V and D of a part of the batch's strips, in scratch memory."""
    from kusari_numpy.compiled.winograd import gradient_to_patches, to_patches

    (start, stop), (tile, down, across, pad) = part, tiling
    patches, gradients = _scratch((stop - start) * across, images.shape[-1], o, rows)
    edges = [start + (stop - start) * piece // LANES for piece in range(LANES + 1)]

    def transform(piece: int) -> None:
        first, last = edges[piece], edges[piece + 1]
        offset = (first - start) * across
        to_patches(images, patches, tile, first, last, down, across, pad, offset)
        gradient_to_patches(rows, gradients, o, tile, first, last, down, across, offset)

    pool().run(transform, LANES)
    return patches, gradients


def _blocks(outputs: int, dtype: np.dtype[Any]) -> tuple[int, HostArray, HostArray]:
    """Return how many tiles' gradients are multiplied at a time, and scratch memory for them."""
    tiles = pixels_at_once(outputs)
    return tiles, *gradient_scratch(tiles, False, outputs, dtype)
