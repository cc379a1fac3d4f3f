"""Convolution with 3×3 and 5×5 windows by Winograd's transforms: a quarter or a third of the products, good to 1e-5."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution.channels_last import HostArray, channels_first_view, channels_last
from kusari_numpy.convolution.direct import sum_pixels
from kusari_numpy.convolution.epilogue import Epilogue
from kusari_numpy.convolution.gradient import LANES, gradient_scratch, pixels_at_once
from kusari_numpy.pieces import share
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, aligned_zeros, workspace

ENVIRONMENT_VARIABLE: Final = "KUSARI_WINOGRAD"
"""0: convolve all windows directly, which is slower and exact to the last digits."""
CACHE: Final = 3 * 2**19
"""Bytes that the patches and products of one piece of work should have: three quarters of a core's L2 cache."""
LARGEST_SHARE: Final = 128 * 128
"""Up to so many filters each lane has a sum of their gradients of its own; more would not stay in cache."""
SMALLEST: Final = 16
"""With fewer channels, in or out, the transforms cost more than the products that they save."""


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


def winograd_wanted(backend: Backend) -> bool | str:
    """Return True, or why all windows are convolved directly."""
    if os.environ.get(ENVIRONMENT_VARIABLE) == "0":
        return f"switched off by {ENVIRONMENT_VARIABLE}=0"
    return compiled_available(backend)


class WinogradConvolution(Convolution):
    """Y = Aᵀ[(G w Gᵀ) ∘ (Bᵀ X B)]A for each 4×4 or 2×2 tile of y; 36 matrix products for many tiles at once.

    Source: Lavin & Gray, Fast Algorithms for Convolutional Neural Networks (2016).
    """

    contract = 1

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take 3×3 and 5×5 windows on float32, one group, with enough channels and pixels."""
        window = problem.window
        if window.size not in ((3, 3), (5, 5)) or (window.stride, window.dilate) != ((1, 1), (1, 1)):
            return f"{window}; it needs 3×3 or 5×5, stride 1, dilate 1"
        if max(window.pad) >= window.size[0]:
            return f"pad {window.pad}: some windows would see nothing of the image"
        if problem.dtype != np.float32:
            return f"loses too many digits for {problem.dtype}"
        if problem.groups != 1 or problem.cover_all:
            return "groups and cover_all are not written for it"
        if min(problem.W[:2]) < SMALLEST:
            return f"{min(problem.W[:2])} channels; pays from {SMALLEST}"
        if 0 in problem.y or 0 in problem.x or min(problem.out_shape) < 4:
            return "the output is smaller than a tile"
        return True

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, H, W)."""
        U = self.backend.derived(W, "winograd", _transformed, _transformed_once)
        activation = self.problem.activation
        y = convolve(_image(x), U, (b, W.shape[0]), self._tiling, self.problem.out_shape, activation == RELU)
        if activation is not None and activation != RELU:
            Epilogue(self.backend, None, activation)(y.reshape(-1, y.shape[-1]))
        return channels_first_view(y, self.problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x: gy convolved with mirrored filters."""
        U = self.backend.derived(W, "winograd mirrored", _transformed_mirrored, _transformed_mirrored_once)
        edge, (high, wide), spatial = W.shape[2], self.problem.window.pad, self.problem.x[2:]
        tiling = Tiling.of(edge, spatial, (edge - 1 - high, edge - 1 - wide))
        gx = convolve(_image(gy), U, (None, W.shape[1]), tiling, spatial, False)
        return channels_first_view(gx, spatial)

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W: gU = Σ Vᵀ (A g Aᵀ), gW = Gᵀ gU G."""
        images, rows = _image(x), _image(gy)
        gU = _filter_gradient(images, rows, self._tiling)
        return _windows(gU, self.problem.W)

    @property
    def _tiling(self) -> Tiling:
        """How y is cut."""
        window = self.problem.window
        return Tiling.of(window.size[0], self.problem.out_shape, (window.pad[0], window.pad[1]))

    def grad_bias(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of b."""
        return sum_pixels(channels_last(gy))


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
    from kusari_numpy.compiled.vectors import whole
    from kusari_numpy.compiled.winograd import PLACES, from_products, multiply, row_length, to_patches

    (bias, o), c = channels, image.shape[-1]
    nothing = np.zeros(whole(o, image.dtype), image.dtype)
    tile, down, across, pad = tiling
    y = aligned_empty((len(image), *out, o), image.dtype)
    shift = nothing.copy()
    if bias is not None:
        shift[:o] = bias
    floor = image.dtype.type(0 if rectify else -np.inf)
    strips = len(image) * down
    step = _strips_at_once(strips, across, c, len(nothing))

    def work(piece: int) -> None:
        first, last = piece * step, min((piece + 1) * step, strips)
        tiles = (last - first) * across
        patches = workspace("patches", (tiles, row_length(PLACES * c, image.dtype)), image.dtype)
        products = workspace("products", (tiles, row_length(PLACES * len(nothing), image.dtype)), image.dtype)
        to_patches(image, patches, tile, first, last, down, across, pad, 0)
        multiply(patches, U, products, nothing)
        from_products(products, shift, floor, y, tile, first, last, down, across)

    pool().run(work, -(-strips // step))
    return y


def _filter_gradient(images: HostArray, rows: HostArray, tiling: Tiling) -> HostArray:
    """Return gU = Σ Vᵀ (A g Aᵀ) over all tiles: rows of (C, O), with O in whole vectors."""
    from kusari_numpy.compiled.vectors import whole
    from kusari_numpy.compiled.winograd import PLACES, row_length

    c, o, strips = images.shape[-1], whole(rows.shape[-1], rows.dtype), len(rows) * tiling.down
    if c * o <= LARGEST_SHARE:
        return _gradient_by_lanes(images, rows, strips, tiling, o)
    gU = _scratch_filters((PLACES, row_length(c * o, rows.dtype)), rows.dtype)
    step = min(strips, max(1, 8 * CACHE // (36 * 4 * (c + o) * tiling.across)))
    for start in range(0, strips, step):
        _add_share(images, rows, gU, (start, min(start + step, strips)), tiling, o)
    return gU


def _gradient_by_lanes(images: HostArray, rows: HostArray, strips: int, tiling: Tiling, o: int) -> HostArray:
    """Return gU of few channels: each lane goes through its strips while they are in cache, with a sum of its own."""
    from kusari_numpy.compiled.winograd import PLACES, add_gradient, gradient_to_patches, row_length, to_patches

    (tile, down, across, pad), c = tiling, images.shape[-1]
    totals = aligned_zeros((LANES, PLACES, row_length(c * o, rows.dtype)), rows.dtype)
    step = _strips_at_once(strips, across, c, o)

    def work(lane: int) -> None:
        begin, stop = lane * strips // LANES, (lane + 1) * strips // LANES
        for first in range(begin, stop, step):
            last = min(first + step, stop)
            patches, gradients = _scratch((last - first) * across, c, o, rows)
            to_patches(images, patches, tile, first, last, down, across, pad, 0)
            gradient_to_patches(rows, gradients, o, tile, first, last, down, across, 0)
            add_gradient(patches, gradients, totals[lane], o, (0, PLACES), first > begin, *_blocks(o, rows.dtype))

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

    Patches of x and gy first, then the products, shared out by their place in the patch. Each place is added up by one
    thread at a time in the batch's order: nothing varies.
    """
    from kusari_numpy.compiled.winograd import PLACES, add_gradient, gradient_to_patches, to_patches

    (start, stop), (tile, down, across, pad), c = part, tiling, images.shape[-1]
    tiles = (stop - start) * across
    patches, gradients = _scratch(tiles, c, o, rows)
    edges = [start + (stop - start) * piece // LANES for piece in range(LANES + 1)]

    def transform(piece: int) -> None:
        first, last = edges[piece], edges[piece + 1]
        offset = (first - start) * across
        to_patches(images, patches, tile, first, last, down, across, pad, offset)
        gradient_to_patches(rows, gradients, o, tile, first, last, down, across, offset)

    def multiply(piece: int) -> None:
        part = (3 * piece, 3 * piece + 3)
        add_gradient(patches, gradients, gU, o, part, start > 0, *_blocks(o, rows.dtype))

    pool().run(transform, LANES)
    pool().run(multiply, PLACES // 3)


def _blocks(outputs: int, dtype: np.dtype[Any]) -> tuple[int, HostArray, HostArray]:
    """Return how many tiles' gradients are multiplied at a time, and scratch memory for them."""
    tiles = pixels_at_once(outputs)
    return tiles, *gradient_scratch(tiles, False, outputs, dtype)


def _strips_at_once(strips: int, across: int, c: int, o: int) -> int:
    """Return how many strips of tiles one piece of work should have.

    As many as stay in cache; but many channels need many tiles, for each piece reads all filters from memory.
    """
    tiles = max(CACHE // (36 * 4 * (c + o)), 128 if c * o > 128 * 128 else 1)
    return max(1, min(tiles // across, strips))


def _image(x: HostArray) -> HostArray:
    """Return (N, C, H, W) as (N, H, W, C)."""
    return channels_last(x)[:, 0]


def _transformed(W: HostArray) -> HostArray:
    """Return U = G w Gᵀ."""
    return _transform(_windows_there(W), aligned_empty)


def _transformed_once(W: HostArray) -> HostArray:
    """Return U = G w Gᵀ in scratch memory."""
    return _transform(_windows_there(W), _scratch_filters)


def _transformed_mirrored(W: HostArray) -> HostArray:
    """Return U of the mirrored filters."""
    return _transform(_windows_back(W), aligned_empty)


def _transformed_mirrored_once(W: HostArray) -> HostArray:
    """Return U of the mirrored filters in scratch memory."""
    return _transform(_windows_back(W), _scratch_filters)


def _windows_there(W: HostArray) -> HostArray:
    return W.reshape(*W.shape[:2], -1).swapaxes(0, 1)


def _windows_back(W: HostArray) -> HostArray:
    return W.reshape(*W.shape[:2], -1)[..., ::-1]


def _scratch_filters(shape: tuple[int, ...], dtype: np.dtype[Any]) -> HostArray:
    """Return scratch memory for U or gU: fresh memory for 512² of them, 37 MB, took 8 of a convolution's 38 ms."""
    return workspace("filters", shape, dtype)


def _transform(windows: HostArray, memory: Callable[..., HostArray]) -> HostArray:
    """Return G w Gᵀ of windows (A, B, taps): panels (A, width) of B, at each place."""
    from kusari_numpy.compiled.vectors import whole
    from kusari_numpy.compiled.winograd import PLACES, row_length, transform_filters

    a, b, taps = windows.shape
    edge, outputs = math.isqrt(taps), whole(b, windows.dtype)
    U = memory((PLACES, row_length(a * outputs, windows.dtype)), windows.dtype)
    share(lambda first, last: transform_filters(windows, U, edge, outputs, first, last), a, PLACES * b)
    return U


def _windows(gU: HostArray, shape: tuple[int, ...]) -> HostArray:
    """Return gW (O, C, r, r) = Gᵀ gU G."""
    from kusari_numpy.compiled.vectors import whole
    from kusari_numpy.compiled.winograd import PLACES, filters_from_patches

    o, c, edge, _ = shape
    gW = np.empty(shape, gU.dtype)
    windows, columns = gW.reshape(o, c, -1).swapaxes(0, 1), whole(o, gU.dtype)
    share(lambda first, last: filters_from_patches(gU, columns, windows, edge, first, last), c, PLACES * o)
    return gW
