"""Depthwise convolution: each channel with a filter of its own, along channels-last memory."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari_numpy.convolution.channels_last import Geometry, HostArray, channels_first_view, channels_last
from kusari_numpy.convolution.direct import DirectConvolution, sum_pixels
from kusari_numpy.convolution.epilogue import Epilogue
from kusari_numpy.convolution.gradient import LANES
from kusari_numpy.convolution.passes import Passes, Three
from kusari_numpy.convolution.places import Grid, pixel_runs, source, tap_numbers, tap_places, target
from kusari_numpy.pieces import PIECE, share
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, aligned_zeros, workspace

HELD: Final = 2**16
"""Numbers that a strip of an image sees: 256 KiB of float32, which stay in cache."""


class DepthwiseConvolution(Convolution):
    """One sum of products per tap, a vector of channels at a time; bound by memory, not by arithmetic."""

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.geometry = Geometry.of(problem)
        self.there, self.back = Passes.forward(self.geometry), Passes.backward(self.geometry)

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take as many groups as channels, in and out, of up to three axes."""
        if problem.groups < 2 or problem.W[1] != 1 or problem.W[0] != problem.groups:
            return "not one filter for each channel"
        return DirectConvolution.accepts(problem)

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, C, *out)."""
        activation = self.problem.activation
        y = self._convolve(x, self._there, W, b, activation == RELU)
        if activation is not None and activation != RELU:
            Epilogue(self.backend, None, activation)(y.reshape(-1, len(W)))
        return channels_first_view(y, self.problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        return channels_first_view(self._convolve(gy, self._back, W, None, False), self.problem.x[2:])

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        from kusari_numpy.compiled.depthwise import add_gradient

        rows, channels = channels_last(gy), self.problem.groups
        strips, shape, (runs, step, taps) = self._there.strips, self._there.shape, self._lines
        totals, zero = np.zeros((LANES, len(taps) * channels), gy.dtype), np.zeros(channels, gy.dtype)
        images, g, count = channels_last(x), rows.reshape(len(rows), -1), len(x) * strips[0]

        def work(lane: int) -> None:
            bordered = workspace("bordered", shape, gy.dtype)
            operands = (images, bordered, self.there.before, strips, taps, g, runs, step, totals[lane], zero)
            add_gradient(*operands, lane * count // LANES, (lane + 1) * count // LANES)

        pool().run(work, LANES)
        gradient = totals.sum(axis=0).reshape(len(taps), channels)
        return np.ascontiguousarray(gradient.T).reshape(self.problem.W)

    def grad_bias(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of b."""
        return sum_pixels(channels_last(gy))

    @cached_property
    def _there(self) -> Sight:
        return Sight.of(self.problem, self.there, self.geometry.out, self.geometry)

    @cached_property
    def _back(self) -> Sight:
        return Sight.of(self.problem, self.back, self.geometry.size, self.geometry)

    @cached_property
    def _lines(self) -> tuple[HostArray, int, HostArray]:
        """The runs of an image's pixels, the distance between two of them in x, and where taps are."""
        one, shape = self.there.passes[0], self._there.shape
        size = (1, *self.geometry.out, self.problem.groups)
        runs, (step, _) = pixel_runs(source(one, self.there, shape), size, None)
        return runs, step, np.array(tap_places(one, shape))

    def _convolve(self, x: HostArray, sight: Sight, W: HostArray, b: HostArray | None, rectify: bool) -> HostArray:
        """Return (N, *size, C), strip by strip: a border is put around what each sees while it is in cache."""
        from kusari_numpy.compiled.depthwise import convolve

        y = (aligned_empty if sight.passes.complete else aligned_zeros)(sight.y, x.dtype)
        if not sight.passes.passes:
            return y  # no pixel sees anything
        bias = np.zeros(len(W), x.dtype) if b is None else np.ascontiguousarray(b)
        floor = x.dtype.type(0 if rectify else -math.inf)
        images, windows = channels_last(x), W.reshape(len(W), -1)
        filters = [np.ascontiguousarray(windows[:, taps].T).reshape(-1) for taps in sight.taps]
        found = tuple([(seen, at, of, into) for (seen, at, into), of in zip(sight.grids, filters, strict=True)])

        def work(first: int, last: int) -> None:
            bordered = workspace("bordered", sight.shape, x.dtype)
            convolve(images, bordered, sight.passes.before, sight.strips, found, y, bias, floor, first, last)

        size = max(math.prod(sight.shape[1:]) * windows.shape[1] // 4, PIECE // 4)
        share(work, len(x) * sight.strips[0], size)
        return y


class Sight(NamedTuple):
    """What of a convolution does not depend on numbers."""

    passes: Passes
    y: tuple[int, ...]
    """(N, *size, C)."""
    strips: tuple[int, int, int]
    """Of an image, lines of pixels in each, and from what one line sees to what the next sees."""
    shape: tuple[int, int, int, int, int]
    """Of what a strip sees."""
    grids: list[tuple[Grid, HostArray, Grid]]
    """Of each pass: where its pixels see, where taps are from there, and where pixels go."""
    taps: list[HostArray]
    """Of each pass, the numbers of its taps in the window."""

    @classmethod
    def of(cls, problem: ConvolutionProblem, passes: Passes, size: Three, geometry: Geometry) -> Sight:
        """Return what there is to know of the passes over a Problem's images."""
        y = (problem.x[0], *size, problem.groups)
        if not passes.passes:
            return cls(passes, y, (0, 0, 0), (0, 0, 0, 0, 0), [], [])
        strips, shape = _strips(passes, problem.groups)
        grids = [
            (source(one, passes, shape), np.array(tap_places(one, shape)), target(one, y)) for one in passes.passes
        ]
        return cls(passes, y, strips, shape, grids, [tap_numbers(one, geometry) for one in passes.passes])


def _strips(passes: Passes, channels: int) -> tuple[tuple[int, int, int], tuple[int, int, int, int, int]]:
    """Return (strips of an image, lines of pixels in each, from what one line sees to the next), and what one sees.

    A volume is one strip.
    """
    depth, seen, width = passes.bordered
    height, step = max(one.grid[1] for one in passes.passes), passes.passes[0].axes[1].step
    reach = seen - (height - 1) * step
    lines = height
    if depth == 1:
        lines = min(height, max(1, (HELD // (width * channels) - reach) // step + 1))
    return (-(-height // lines), lines, step), (1, depth, (lines - 1) * step + reach, width, channels)
