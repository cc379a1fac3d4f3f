"""Winograd's convolution cut into pieces of work: by rows of tiles, or by channels of y where tiles are few."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from kusari_numpy.convolution.channels_last import HostArray
from kusari_numpy.convolution.gradient import LANES
from kusari_numpy.convolution.winograd_filters import CHANNELS, LARGEST, block_of_filters
from kusari_numpy.threads import pool
from kusari_numpy.winograd_matrices import PLACES
from kusari_numpy.workspace import aligned_empty, workspace

CACHE: Final = 3 * 2**19
"""Bytes that the patches and products of one piece of work should have: three quarters of a core's L2 cache."""
TASKS: Final = 32
"""Into which a convolution is shared out: threads that come back to the interpreter wait for each other there."""
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
    from kusari_numpy.compiled.winograd import convolve_strips, row_length

    y, shift, floor = result(image, channels, out, rectify)
    c = image.shape[-1]
    strips, tiles = len(image) * tiling.down, tiling.across
    step = strips_at_once(strips, tiling.across, c, len(shift))
    per_task = step * max(1, strips // (step * TASKS))

    def work(task: int) -> None:
        some = (task * per_task, min((task + 1) * per_task, strips))
        patches = workspace("patches", (step * tiles, row_length(PLACES * c, image.dtype)), image.dtype)
        products = workspace("products", (step * tiles, row_length(PLACES * len(shift), image.dtype)), image.dtype)
        convolve_strips(image, U, y, shift, floor, patches, products, some, step, *tiling)

    pool().run(work, -(-strips // per_task))
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
    from kusari_numpy.compiled.vectors import WIDEST, whole
    from kusari_numpy.compiled.winograd import convolve_panel, row_length, to_patches

    y, shift, floor = result(image, channels, out, rectify)
    c, width = image.shape[-1], WIDEST * whole(1, image.dtype)
    tile, down, across, pad = tiling
    strips, tiles = len(image) * down, tiling.count(len(image))
    patches = workspace("patches", (tiles, row_length(PLACES * c, image.dtype)), image.dtype)

    def transform(piece: int) -> None:
        first, last = piece * strips // LANES, (piece + 1) * strips // LANES
        to_patches(image, patches, tile, first, last, down, across, pad, first * across)

    def work(piece: int) -> None:
        begin, end = piece * width, min((piece + 1) * width, len(shift))
        products = workspace("products", (tiles, row_length(PLACES * (end - begin), image.dtype)), image.dtype)
        some, U = windows[:, begin:end], block_of_filters(end - begin, image.dtype)
        edge, counts = math.isqrt(windows.shape[2]), (tile, strips, down, across)
        convolve_panel(patches, some, edge, U, products, shift[begin:end], floor, y, begin, CHANNELS, *counts)

    pool().run(transform, LANES)
    pool().run(work, -(-len(shift) // width))
    return y


def strips_at_once(strips: int, across: int, c: int, o: int) -> int:
    """Return how many strips of tiles one piece of work should have.

    As many as stay in cache; but many channels need many tiles, for each piece reads all filters from memory.
    """
    tiles = max(CACHE // (36 * 4 * (c + o)), FEWEST_TILES if c * o > LARGEST else 1)
    return max(1, min(tiles // across, strips))
