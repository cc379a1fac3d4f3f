"""Convolution by rows: some lines of output pixels at a time, unfolded and multiplied while they are in cache."""

from __future__ import annotations

import math

import numpy as np

from kusari.backend import Backend
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari_numpy.convolution.channels_last import Geometry, HostArray, channels_first_view, channels_last
from kusari_numpy.convolution.columns import LANES, SIZE, ByPixel, Columns, Lines, columns_for
from kusari_numpy.convolution.epilogue import Epilogue
from kusari_numpy.threads import pool
from kusari_numpy.workspace import workspace

LARGEST_SHARE = 2**19
"""Filters that each of four lanes may have a gradient of; more would be written four times over."""


class RowsConvolution(Convolution):
    """Unfold a few lines of output pixels, multiply by the filters, add the bias: y = columns · Wᵀ.

    Results are views of channels-last memory, and so is what is worked on but for images of few channels: a net
    converts nothing.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.geometry = Geometry.of(problem)
        self.columns = columns_for(problem.x[1], self.geometry)
        mirrored = self.geometry.mirrored()
        # gx is a convolution of gy where nothing is skipped, nor more padded than the window is long.
        self.mirrors = all(axis[1] == 1 for axis in self.geometry.window) and all(
            axis[2] >= 0 for axis in mirrored.window
        )

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take one group of float32 or float64, of up to three axes."""
        if problem.dtype not in (np.float32, np.float64):
            return f"BLAS has no {problem.dtype} product"
        if not 1 <= len(problem.window.size) <= 3:
            return f"{len(problem.window.size)} spatial axes; the loops are written for one to three"
        if problem.groups != 1:
            return f"{problem.groups} groups would be as many small products per piece"
        if 0 in problem.y or 0 in problem.x:
            return "nothing to compute"
        return True

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, *out)."""
        filters = self.backend.derived(W, self.columns.__name__, self.columns.filters)
        epilogue = Epilogue.of(self.backend, b, self.problem.activation)
        y = convolve(self.columns(x, self.geometry), len(x), filters, epilogue)
        return channels_first_view(y, self.problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        if self.mirrors:
            mirrored = self.backend.derived(W, "mirrored", mirrored_filters)
            gx = convolve(ByPixel(gy, self.geometry.mirrored()), len(gy), mirrored, None)
        else:
            gx = self._fold(channels_last(gy), self.backend.derived(W, ByPixel.__name__, ByPixel.filters))
        return channels_first_view(gx, self.problem.x[2:])

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        columns = self.columns(x, self.geometry)
        gradient = filter_gradient(columns, channels_last(gy), self.problem.W[1] * self.geometry.taps)
        return self.columns.window_gradient(gradient, self.problem.W)

    def grad_bias(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of b."""
        return sum_pixels(channels_last(gy))

    def _fold(self, rows: HostArray, filters: HostArray) -> HostArray:
        """Return gx (N, *in, C): what each output pixel gives to the pixels that it saw, image by image."""
        from kusari_numpy.compiled.unfold import fold

        geometry, c, reach = self.geometry, self.problem.x[1], len(filters)
        *others, length = geometry.out
        per_image = math.prod(others)
        bordered = np.zeros((len(rows), *geometry.padded, c), rows.dtype)
        target = bordered.reshape(*bordered.shape[:3], -1)
        flat = rows.reshape(-1, rows.shape[-1])
        step = max(1, SIZE // (reach * length))
        (kd, *_), (kh, *_), (kw, *_) = geometry.window

        def work(n: int) -> None:
            for first in range(n * per_image, (n + 1) * per_image, step):
                last = min(first + step, (n + 1) * per_image)
                columns = workspace("columns", ((last - first) * length, reach), rows.dtype)
                np.matmul(flat[first * length : last * length], filters.T, out=columns)
                spread = columns.reshape(-1, kd * kh, kw * c)
                fold(spread, target, first, last, geometry.out, geometry.window, c)

        pool().run(work, len(rows))
        return np.ascontiguousarray(bordered[(slice(None), *geometry.inside)])


def convolve(columns: Columns, images: int, filters: HostArray, epilogue: Epilogue | None) -> HostArray:
    """Return (N, *out, O) of N images and filters (taps · C, O)."""
    reach, outputs = filters.shape
    geometry = columns.geometry
    y = np.empty((images, *geometry.out, outputs), filters.dtype)
    flat = y.reshape(-1, outputs)
    lines = Lines.of(images, geometry, reach)

    def work(piece: int) -> None:
        first, last = lines.edges(piece)
        rows = flat[first * lines.length : last * lines.length]
        np.matmul(columns(first, last), filters, out=rows)
        if epilogue is not None:
            epilogue(rows)

    pool().run(work, lines.pieces)
    return y


def filter_gradient(columns: Columns, rows: HostArray, reach: int) -> HostArray:
    """Return Σ columnsᵀ · gy (reach, O) over all pixels of gy (N, *out, O)."""
    # Where nothing is unfolded a lane's pixels make one product.
    lines = Lines.of(len(rows), columns.geometry, 1 if columns.geometry.trivial else reach)
    flat = rows.reshape(-1, rows.shape[-1])
    lanes = LANES if reach * rows.shape[-1] <= LARGEST_SHARE else 2  # each writes a gradient of its own
    totals = np.zeros((lanes, reach, rows.shape[-1]), rows.dtype)

    def work(lane: int) -> None:
        share = workspace("share", totals.shape[1:], rows.dtype)
        for piece in range(lane * lines.pieces // lanes, (lane + 1) * lines.pieces // lanes):
            first, last = lines.edges(piece)
            np.matmul(columns(first, last).T, flat[first * lines.length : last * lines.length], out=share)
            totals[lane] += share

    pool().run(work, lanes)
    total: HostArray = totals.sum(axis=0)
    return total


def sum_pixels(rows: HostArray) -> HostArray:
    """Return the sum of (N, *out, O) over all but O: images first, each on its own, so that nothing varies."""
    from kusari_numpy.compiled.unfold import sum_rows

    images = rows.reshape(len(rows), -1, rows.shape[-1])
    totals = np.zeros((len(images), images.shape[-1]), rows.dtype)
    pool().run(lambda n: sum_rows(images[n], totals[n]), len(images))
    total: HostArray = totals.sum(axis=0)
    return total


def mirrored_filters(W: HostArray) -> HostArray:
    """Return W (O, C, *window), mirrored, as (taps · O, C): the filters that turn gy into gx."""
    mirrored = W.reshape(*W.shape[:2], -1)[..., ::-1].transpose(2, 0, 1)
    return np.ascontiguousarray(mirrored).reshape(-1, W.shape[1])
