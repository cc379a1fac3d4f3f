"""The gradient of filters by Winograd's transforms, cut into pieces of work."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari_numpy.convolution.channels_last import HostArray
from kusari_numpy.convolution.gradient import LANES
from kusari_numpy.convolution.gradient_by_outputs import products
from kusari_numpy.convolution.winograd_filters import CHANNELS, LARGEST, scratch_filters, windows_of
from kusari_numpy.convolution.winograd_sweep import CACHE, Tiling, strips_at_once
from kusari_numpy.threads import pool
from kusari_numpy.winograd_matrices import PLACES
from kusari_numpy.workspace import aligned_empty, workspace

AT_ONCE: Final = 3
"""Places of a patch that a thread takes at a time."""


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
    from kusari_numpy.compiled.winograd_turns import gradient_by_places

    c, o, strips = images.shape[-1], rows.shape[-1], len(rows) * tiling.down
    gU = scratch_filters((PLACES, row_length(c * o, rows.dtype)), rows.dtype)
    step = min(strips, max(1, 8 * CACHE // (36 * 4 * (c + o) * tiling.across)))
    threads = pool().sharing(PLACES // AT_ONCE)
    packed = _packed(threads, o if by_outputs else c, rows.dtype)
    for start in range(0, strips, step):
        part = start, min(start + step, strips)
        transformed = _scratch((part[1] - start) * tiling.across, c, o, rows.dtype)
        operands = images, rows, gU, *transformed, *packed, by_outputs, AT_ONCE, part, LANES, *tiling
        pool().take_turns(gradient_by_places, operands, threads)
    return gU


def _gradient_by_channels(images: HostArray, rows: HostArray, tiling: Tiling, shape: tuple[int, ...]) -> HostArray:
    """Return gW of many channels and few tiles, some channels at a time: all of gU is never in memory."""
    from kusari_numpy.compiled.winograd import row_length
    from kusari_numpy.compiled.winograd_turns import gradient_by_blocks

    o, c, edge, _ = shape
    strips, dtype = len(images) * tiling.down, rows.dtype
    gW = aligned_empty(shape, dtype)
    threads = pool().sharing(-(-c // CHANNELS) * -(-o // CHANNELS))
    U = workspace("block", (threads, PLACES * row_length(CHANNELS * CHANNELS, dtype)), dtype)
    scratch = *_scratch(strips * tiling.across, c, o, dtype), U, *_packed(threads, CHANNELS, dtype)
    operands = images, rows, gW.reshape(o, c, -1), edge, *scratch, CHANNELS, (0, strips), LANES, *tiling
    pool().take_turns(gradient_by_blocks, operands, threads)
    return gW


def _gradient_by_lanes(images: HostArray, rows: HostArray, tiling: Tiling, by_outputs: bool) -> HostArray:
    """Return gU of few channels: each lane goes through its strips while they are in cache, with a sum of its own."""
    from kusari_numpy.compiled.winograd import row_length
    from kusari_numpy.compiled.winograd_turns import gradient_by_lanes

    c, o, strips, dtype = images.shape[-1], rows.shape[-1], len(rows) * tiling.down, rows.dtype
    total = scratch_filters((PLACES, row_length(c * o, dtype)), dtype)
    lanes = aligned_empty((min(LANES, strips), *total.shape), dtype)
    step, threads = strips_at_once(strips, tiling.across, c, o), pool().sharing(LANES)
    transformed = [
        workspace(slot, (threads, step * tiling.across, row_length(PLACES * count, dtype)), dtype)
        for slot, count in (("patches", c), ("products", o))
    ]
    scratch = *transformed, *_packed(threads, o if by_outputs else c, dtype)
    pool().take_turns(
        gradient_by_lanes, (images, rows, lanes, total, *scratch, by_outputs, strips, step, *tiling), threads
    )
    return total


def _scratch(tiles: int, c: int, o: int, dtype: np.dtype[Any]) -> tuple[HostArray, HostArray]:
    """Return scratch memory for the transforms of x and gy, V and D."""
    from kusari_numpy.compiled.winograd import row_length

    patches = workspace("patches", (tiles, row_length(PLACES * c, dtype)), dtype)
    return patches, workspace("products", (tiles, row_length(PLACES * o, dtype)), dtype)


def _packed(threads: int, rows: int, dtype: np.dtype[Any]) -> tuple[HostArray, HostArray]:
    """Return scratch memory for `kusari_numpy.compiled.winograd.add_gradient`, of each thread."""
    from kusari_numpy.compiled.vectors import WIDEST, whole
    from kusari_numpy.compiled.winograd import TILES

    lanes = whole(1, dtype)
    panel = workspace("panel", (threads, TILES * WIDEST * lanes), dtype)
    return workspace("rows", (threads, TILES * (rows + lanes)), dtype), panel
