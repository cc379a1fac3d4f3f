"""Depthwise convolution: each channel with a filter of its own, along channels-last memory."""

from __future__ import annotations

import numpy as np

from kusari.backend import Backend
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari_numpy.convolution.channels_last import Geometry, HostArray, channels_first_view, channels_last
from kusari_numpy.convolution.columns import LANES
from kusari_numpy.convolution.epilogue import Epilogue
from kusari_numpy.convolution.rows import sum_pixels
from kusari_numpy.threads import pool

LINES = 8
"""Lines in a piece of work."""


class DepthwiseConvolution(Convolution):
    """One sum of products per tap, a vector of channels at a time; bound by memory, not by arithmetic."""

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.geometry = Geometry.of(problem)
        self.window = self.geometry.window[1:]

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take as many groups as channels, in and out, of one or two axes."""
        if problem.dtype not in (np.float32, np.float64):
            return f"compiled for float32 and float64, not {problem.dtype}"
        if problem.groups < 2 or problem.W[1] != 1 or problem.W[0] != problem.groups:
            return "not one filter for each channel"
        if len(problem.window.size) > 2:
            return f"{len(problem.window.size)} spatial axes; the loops are written for one and two"
        if 0 in problem.y or 0 in problem.x:
            return "nothing to compute"
        return True

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, C, *out)."""
        from kusari_numpy.compiled.depthwise import forward

        image, filters = channels_last(x)[:, 0], self._filters(W)
        bias = np.zeros(len(W), x.dtype) if b is None else b
        y = np.empty((len(image), *self.geometry.out[1:], len(W)), x.dtype)
        epilogue = Epilogue.of(self.backend, None, self.problem.activation)
        lines = len(y) * y.shape[1]
        flat = y.reshape(lines, -1, len(W))

        def work(piece: int) -> None:
            first, last = piece * LINES, min((piece + 1) * LINES, lines)
            forward(image, filters, bias, y, first, last, self.window)
            if epilogue is not None:
                epilogue(flat[first:last].reshape(-1, len(W)))

        pool().run(work, -(-lines // LINES))
        return channels_first_view(y, self.problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        from kusari_numpy.compiled.depthwise import grad_input

        rows, filters = channels_last(gy)[:, 0], self._filters(W)
        gx = np.empty((len(rows), *self.geometry.size[1:], len(W)), gy.dtype)
        lines = len(gx) * gx.shape[1]

        def work(piece: int) -> None:
            first = piece * LINES
            grad_input(rows, filters, gx, first, min(first + LINES, lines), self.window)

        pool().run(work, -(-lines // LINES))
        return channels_first_view(gx, self.problem.x[2:])

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        from kusari_numpy.compiled.depthwise import grad_filters

        image, rows = channels_last(x)[:, 0], channels_last(gy)[:, 0]
        size = tuple(axis[0] for axis in self.window)
        totals = np.zeros((LANES, *size, len(gy[0])), gy.dtype)
        lines = len(rows) * rows.shape[1]

        def work(lane: int) -> None:
            grad_filters(image, rows, totals[lane], lane * lines // LANES, (lane + 1) * lines // LANES, self.window)

        pool().run(work, LANES)
        return np.ascontiguousarray(np.moveaxis(totals.sum(axis=0), -1, 0)).reshape(self.problem.W)

    def grad_bias(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of b."""
        return sum_pixels(channels_last(gy))

    def _filters(self, W: HostArray) -> HostArray:
        """Return W (C, 1, *window) as (KH, KW, C)."""
        size = tuple(axis[0] for axis in self.window)
        made: HostArray = self.backend.derived(
            W, "depthwise", lambda W: np.ascontiguousarray(np.moveaxis(W.reshape(len(W), *size), 0, -1))
        )
        return made
