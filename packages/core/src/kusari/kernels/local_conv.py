"""Convolution whose filters differ from place to place, and its two gradients."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from kusari.backend import Family
from kusari.kernels.linear import product
from kusari.kernels.window import Window, to_channels_first, to_channels_last
from kusari.types import Array, Shape


class LocalConvolutionProblem(NamedTuple):
    """Everything about a local convolution but its numbers."""

    x: Shape
    """(N, C, H, W)."""
    W: Shape
    """(O, H', W', C, kh, kw)."""
    window: Window
    """Without padding."""
    dtype: Any
    """The host's dtype object; x and W share it."""

    @property
    def out_shape(self) -> Shape:
        """(H', W')."""
        return self.W[1:3]


class LocalConvolution(Family[LocalConvolutionProblem]):
    """y[n, o, p] = Σ x[n, c, p·stride + q] W[o, p, c, q], and its gradients.

    Portable definition: one matrix product per place p, all in one batch.
    """

    def forward(self, x: Array, W: Array) -> Array:
        """Return y (N, O, H', W')."""
        xp, (height, width) = self.backend.xp, self.problem.out_shape
        y = product(self.backend, self._columns(x), self._matrices(W))  # (H'W', N, O)
        y = xp.reshape(y, (height, width, *y.shape[1:]))
        return xp.permute_dims(y, (2, 3, 0, 1))

    def grad_input(self, W: Array, gy: Array) -> Array:
        """Return the gradient of x: each place's share is added where the place looked."""
        xp, problem = self.backend.xp, self.problem
        n, c, *spatial = problem.x
        taps = math.prod(problem.window.size)
        columns = product(self.backend, self._flat(gy), xp.matrix_transpose(self._matrices(W)))
        columns = xp.reshape(columns, (*problem.out_shape, n, taps, c))
        gx: Array = xp.zeros((n, *spatial, c), dtype=gy.dtype, device=gy.device)
        for index, tap in enumerate(problem.window.taps(problem.out_shape)):
            gx[(slice(None), *tap, slice(None))] += xp.permute_dims(columns[:, :, :, index, :], (2, 0, 1, 3))
        return to_channels_first(self.backend, gx)

    def grad_weight(self, x: Array, gy: Array) -> Array:
        """Return the gradient of W."""
        xp, problem = self.backend.xp, self.problem
        o, height, width, c, *size = problem.W
        gW = product(self.backend, xp.matrix_transpose(self._columns(x)), self._flat(gy))  # (H'W', taps · C, O)
        return xp.permute_dims(xp.reshape(gW, (height, width, *size, c, o)), (5, 0, 1, 4, 2, 3))

    def _columns(self, x: Array) -> Array:
        """Return what each place sees: (H'W', N, taps · C)."""
        xp, problem = self.backend.xp, self.problem
        image = to_channels_last(self.backend, x)
        taps = [image[(slice(None), *tap, slice(None))] for tap in problem.window.taps(problem.out_shape)]
        seen = xp.permute_dims(xp.stack(taps, axis=-2), (1, 2, 0, 3, 4))
        n, c = problem.x[:2]
        return xp.reshape(seen, (math.prod(problem.out_shape), n, len(taps) * c))

    def _matrices(self, W: Array) -> Array:
        """Return W as (H'W', taps · C, O)."""
        xp, (o, height, width, c, *size) = self.backend.xp, self.problem.W
        W = xp.permute_dims(W, (1, 2, 4, 5, 3, 0))
        return xp.reshape(W, (height * width, math.prod(size) * c, o))

    def _flat(self, gy: Array) -> Array:
        """Return gy as (H'W', N, O)."""
        xp, (n, o, height, width) = self.backend.xp, gy.shape
        return xp.reshape(xp.permute_dims(gy, (2, 3, 0, 1)), (height * width, n, o))
