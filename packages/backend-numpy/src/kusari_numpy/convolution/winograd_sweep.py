"""Winograd's convolution cut into pieces of work: by rows of tiles, or by channels of y where tiles are few."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from kusari_numpy.convolution.channels_last import HostArray
from kusari_numpy.convolution.gradient import LANES
from kusari_numpy.convolution.winograd_filters import CHANNELS, LARGEST
from kusari_numpy.threads import pool
from kusari_numpy.winograd_matrices import PLACES
from kusari_numpy.workspace import aligned_empty, workspace

CACHE: Final = 3 * 2**19
"""Bytes that the patches and products of one piece of work should have: three quarters of a core's L2 cache."""
TASKS: Final = 32
"""Into which a convolution is shared out, at most, where they are as small as they should be."""
FEWEST_TILES: Final = 128
"""In a piece of work on many channels: each reads all filters from memory."""


class Tiling(NamedTuple):
    """How an image is cut into tiles."""

    tile: int
    """The edge of a tile of y: with windows of edge r, 7 − r."""
    down: int
    across: int
    pad: tuple[int, int]
    """By so much the first patch begins outside the image."""

    @classmethod
    def of(cls, window: int, out: tuple[int, ...], pad: tuple[int, int]) -> Tiling:
        """Return the tiles of an output."""
        tile = 7 - window
        down, across = (-(-length // tile) for length in out)
        return cls(tile, down, across, pad)

    def count(self, images: int) -> int:
        """Return the number of tiles in so many images."""
        return images * self.down * self.across


def convolve(
    image: HostArray,
    U: HostArray,
    channels: tuple[HostArray | None, int],
    tiling: Tiling,
    out: tuple[int, ...],
    rectify: bool,
) -> HostArray:
    """Return (N, *out, O) of (N, H, W, C) and transformed filters, the panels of each place in the patch.

    ``channels``: (bias, O).
    """
    from kusari_numpy.compiled.winograd import row_length
    from kusari_numpy.compiled.winograd_turns import convolve_by_strips

    y, shift, floor = result(image, channels, out, rectify)
    strips, tiles = len(image) * tiling.down, tiling.across
    step = strips_at_once(strips, tiling.across, image.shape[-1], len(shift))
    per_task = step * max(1, strips // (step * TASKS))
    threads = pool().sharing(-(-strips // per_task))
    patches, products = (
        workspace(slot, (threads, step * tiles, row_length(PLACES * count, image.dtype)), image.dtype)
        for slot, count in (("patches", image.shape[-1]), ("products", len(shift)))
    )
    work = strips, per_task, step, *tiling
    pool().take_turns(convolve_by_strips, (image, U, y, shift, floor, patches, products, *work), threads)
    return y


def result(
    image: HostArray, channels: tuple[HostArray | None, int], out: tuple[int, ...], rectify: bool
) -> tuple[HostArray, HostArray, np.floating]:
    """Return memory for (N, *out, O), the bias as whole vectors, and what no result is below.

    ``channels``: (bias, O).
    """
    from kusari_numpy.compiled.vectors import whole

    bias, o = channels
    shift = np.zeros(whole(o, image.dtype), image.dtype)
    if bias is not None:
        shift[:o] = bias
    floor = image.dtype.type(0 if rectify else -np.inf)
    return aligned_empty((len(image), *out, o), image.dtype), shift, floor


def are_few(tiles: int, c: int, o: int) -> bool:
    """Tell whether work on so many tiles, from C channels to O, is shared out by channels of y.

    512 to 512 channels on 32 tiles, forward, two threads: 9 ms, and 23 with pieces of tiles that each read all filters.
    """
    return c * o > LARGEST and tiles < 2 * FEWEST_TILES


def convolve_by_panels(
    image: HostArray,
    windows: HostArray,
    channels: tuple[HostArray | None, int],
    tiling: Tiling,
    out: tuple[int, ...],
    rectify: bool,
) -> HostArray:
    """Return what `convolve` does; a piece of work is one panel of channels of y, for all tiles.

    ``windows``: (C, O, taps). Some are transformed just before they are used: to read all 37 MB of 512² from memory,
    had they been transformed before, would take no less time.
    """
    from kusari_numpy.compiled import winograd_turns
    from kusari_numpy.compiled.vectors import WIDEST, whole
    from kusari_numpy.compiled.winograd import row_length

    y, shift, floor = result(image, channels, out, rectify)
    width, dtype = min(len(shift), WIDEST * whole(1, image.dtype)), image.dtype
    tiles, threads = tiling.count(len(image)), pool().sharing(-(-len(shift) // width))
    patches = workspace("patches", (tiles, row_length(PLACES * image.shape[-1], dtype)), dtype)
    products = workspace("products", (threads, tiles * row_length(PLACES * width, dtype)), dtype)
    U = workspace("block", (threads, PLACES * row_length(CHANNELS * width, dtype)), dtype)
    made = windows, math.isqrt(windows.shape[2]), U, y, shift, floor, patches, products
    work = width, CHANNELS, len(image) * tiling.down, LANES, *tiling
    pool().take_turns(winograd_turns.convolve_by_panels, (image, *made, *work), threads)
    return y


def strips_at_once(strips: int, across: int, c: int, o: int) -> int:
    """Return how many strips of tiles one piece of work should have.

    As many as stay in cache; but many channels need many tiles, for each piece reads all filters from memory.
    """
    tiles = max(CACHE // (36 * 4 * (c + o)), FEWEST_TILES if c * o > LARGEST else 1)
    return max(1, min(tiles // across, strips))
