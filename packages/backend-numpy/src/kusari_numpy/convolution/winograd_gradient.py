"""The gradient of filters by Winograd's transforms, cut into pieces of work."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.convolution.channels_last import HostArray
from kusari_numpy.convolution.gradient import LANES
from kusari_numpy.convolution.gradient_by_outputs import products
from kusari_numpy.convolution.winograd_filters import CHANNELS, LARGEST, block_of_filters, scratch_filters, windows_of
from kusari_numpy.convolution.winograd_sweep import CACHE, Tiling, strips_at_once
from kusari_numpy.threads import pool
from kusari_numpy.winograd_matrices import PLACES
from kusari_numpy.workspace import aligned_empty, aligned_zeros, workspace


def filter_gradient(images: HostArray, rows: HostArray, tiling: Tiling, shape: tuple[int, ...]) -> HostArray:
    """Return gW (O, C, r, r) = Gᵀ gU G, where gU = Σ (A g Aᵀ)ᵀ V over all tiles; or its transpose."""
    o, c = shape[:2]
    by_outputs = products(o, c, rows.dtype) <= products(c, o, rows.dtype)
    if c * o <= LARGEST:
        return windows_of(_gradient_by_lanes(images, rows, tiling, by_outputs), shape, by_outputs)
    if 4 * tiling.count(len(images)) * (c + o) <= c * o:
        return _gradient_by_channels(images, rows, tiling, shape)
    return windows_of(_gradient_by_places(images, rows, tiling, by_outputs), shape, by_outputs)


def _gradient_by_places(images: HostArray, rows: HostArray, tiling: Tiling, by_outputs: bool) -> HostArray:
    """Return gU of many channels: its places are shared out, for some of the batch at a time."""
    from kusari_numpy.compiled.winograd import row_length

    c, o, strips = images.shape[-1], rows.shape[-1], len(rows) * tiling.down
    gU = scratch_filters((PLACES, row_length(c * o, rows.dtype)), rows.dtype)
    step = min(strips, max(1, 8 * CACHE // (36 * 4 * (c + o) * tiling.across)))
    for start in range(0, strips, step):
        _add_share(images, rows, gU, (start, min(start + step, strips)), tiling, by_outputs)
    return gU


def _gradient_by_channels(images: HostArray, rows: HostArray, tiling: Tiling, shape: tuple[int, ...]) -> HostArray:
    """Return gW of many channels and few tiles, some channels at a time: all of gU is never in memory."""
    from kusari_numpy.compiled.winograd import gradient_block

    o, c, edge, _ = shape
    across = -(-c // CHANNELS)
    patches, gradients = _patches(images, rows, (0, len(images) * tiling.down), tiling)
    gW = aligned_empty(shape, rows.dtype)
    windows = gW.reshape(o, c, -1)

    def work(piece: int) -> None:
        first, begin = (number * CHANNELS for number in divmod(piece, across))
        some = windows[first : first + CHANNELS, begin : begin + CHANNELS]
        gU, packed = block_of_filters(CHANNELS, rows.dtype), _packed(CHANNELS, rows.dtype)
        gradient_block(gradients, first, patches, begin, gU, some, edge, packed)

    pool().run(work, across * -(-o // CHANNELS))
    return gW


def _gradient_by_lanes(images: HostArray, rows: HostArray, tiling: Tiling, by_outputs: bool) -> HostArray:
    """Return gU of few channels: each lane goes through its strips while they are in cache, with a sum of its own."""
    from kusari_numpy.compiled.winograd import gradient_strips, row_length

    c, o, strips = images.shape[-1], rows.shape[-1], len(rows) * tiling.down
    totals = aligned_zeros((LANES, PLACES, row_length(c * o, rows.dtype)), rows.dtype)
    step = strips_at_once(strips, tiling.across, c, o)

    def work(lane: int) -> None:
        some = (lane * strips // LANES, (lane + 1) * strips // LANES)
        patches, gradients = _scratch(step * tiling.across, c, o, rows.dtype)
        packed = _packed(o if by_outputs else c, rows.dtype)
        gradient_strips(images, rows, totals[lane], patches, gradients, by_outputs, some, step, *tiling, packed)

    pool().run(work, LANES)
    total: HostArray = totals.sum(axis=0)
    return total


def _scratch(tiles: int, c: int, o: int, dtype: np.dtype[Any]) -> tuple[HostArray, HostArray]:
    """Return scratch memory for the transforms of x and gy, V and D."""
    from kusari_numpy.compiled.winograd import row_length

    patches = workspace("patches", (tiles, row_length(PLACES * c, dtype)), dtype)
    return patches, workspace("products", (tiles, row_length(PLACES * o, dtype)), dtype)


def _packed(rows: int, dtype: np.dtype[Any]) -> tuple[HostArray, HostArray]:
    """Return scratch memory for `kusari_numpy.compiled.winograd.add_gradient`."""
    from kusari_numpy.compiled.vectors import WIDEST, whole
    from kusari_numpy.compiled.winograd import TILES

    lanes = whole(1, dtype)
    return workspace("rows", (TILES * (rows + lanes),), dtype), workspace("panel", (TILES * WIDEST * lanes,), dtype)


def _add_share(
    images: HostArray, rows: HostArray, gU: HostArray, part: tuple[int, int], tiling: Tiling, by_outputs: bool
) -> None:
    """Add the share of one part of the batch to gU, of many channels; the first part begins it.

    Each place is added up by one thread at a time in the batch's order: nothing varies.
    """
    from kusari_numpy.compiled.winograd import add_gradient

    V, D = _patches(images, rows, part, tiling)
    seen, made = (V, (0, images.shape[-1])), (D, (0, rows.shape[-1]))
    a, b = (made, seen) if by_outputs else (seen, made)

    def multiply(piece: int) -> None:
        add_gradient(*a, *b, gU, (3 * piece, 3 * piece + 3), part[0] > 0, _packed(a[1][1], rows.dtype))

    pool().run(multiply, PLACES // 3)


def _patches(images: HostArray, rows: HostArray, part: tuple[int, int], tiling: Tiling) -> tuple[HostArray, HostArray]:
    """Return V and D of a part of the batch's strips, in scratch memory."""
    from kusari_numpy.compiled.winograd_turns import gradient_patches

    start, stop = part
    V, D = _scratch((stop - start) * tiling.across, images.shape[-1], rows.shape[-1], rows.dtype)
    pool().take_turns(gradient_patches, (images, rows, V, D, start, stop, LANES, *tiling), pool().sharing(LANES))
    return V, D
