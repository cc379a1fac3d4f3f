"""Convolution of each channel with filters of its own by NumPy: a few images at a time, on all threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from kusari.kernels import depthwise
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari_numpy.convolution.channels_last import HostArray, channels_first_view
from kusari_numpy.pieces import Range, ranges
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty

PIECE: Final = 2**18
"""Numbers of images that are convolved at a time: they stay in cache for all taps, and threads seldom wait for each
other. 32 images of 64 channels and 112² pixels take 88 ms on two threads, all at once on one 304."""


class ConvolutionByTaps(Convolution):
    """The portable definition on pieces."""

    contract = 1

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take filters for each channel, of float32 or float64."""
        if problem.dtype not in (np.float32, np.float64):
            return f"for float32 and float64, not {problem.dtype}"
        if not problem.depthwise:
            return "channels have no filters of their own"
        return True

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, *out)."""
        problem, activation = self.problem, self.problem.activation
        y = aligned_empty((len(x), *problem.out_shape, len(W)), x.dtype)

        def work(first: int, last: int) -> None:
            made: Any = depthwise.convolve(self.backend, problem, x[first:last], W)
            if b is not None:
                made += b
            y[first:last] = made if activation is None else activation.apply(self.backend, made)

        self._share(work)
        return channels_first_view(y, problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        n, c, *spatial = self.problem.x
        gx = aligned_empty((n, *spatial, c), gy.dtype)
        result = channels_first_view(gx, tuple(spatial))

        def work(first: int, last: int) -> None:
            made: Any = depthwise.grad_input(self.backend, self.problem, W, gy[first:last])
            result[first:last] = made

        self._share(work)
        return result

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W: the sum of what all pieces give, in order."""
        pieces = self._pieces()
        sums = np.zeros((len(pieces), *self.problem.W), x.dtype)

        def work(piece: int) -> None:
            first, last = pieces[piece]
            made: Any = depthwise.grad_weight(self.backend, self.problem, x[first:last], gy[first:last])
            sums[piece] = made

        pool().run(work, len(pieces))
        total: HostArray = sums.sum(axis=0)
        return total

    def _pieces(self) -> list[Range]:
        n, _, *spatial = self.problem.x
        size = math.prod(spatial) * self.problem.W[0]
        return ranges(n, -(-n * size // PIECE))

    def _share(self, work: Callable[[int, int], None]) -> None:
        pieces = self._pieces()
        pool().run(lambda piece: work(*pieces[piece]), len(pieces))
