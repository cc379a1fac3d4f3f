"""Unfolding images into the columns that a sliding window sees, and folding them back."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from kusari.backend import Family
from kusari.kernels.window import Window, interior, pad_channels_last, to_channels_first, to_channels_last
from kusari.types import Array, Shape


class Im2ColProblem(NamedTuple):
    """Everything about an unfolding but its numbers."""

    x: Shape
    """(N, C, *spatial)."""
    window: Window
    dtype: Any
    cover_all: bool = False
    """Let the last window hang over the edge, so that every pixel is seen."""

    @property
    def out_shape(self) -> Shape:
        """How many windows there are along each spatial axis."""
        return self.window.out_shape(self.x[2:], self.cover_all)


class Im2Col(Family[Im2ColProblem]):
    """columns[n, cK + k, *out] = what place k of each window sees of channel c; K places, in row-major order."""

    def forward(self, x: Array) -> Array:
        """Return the columns (N, CK, *out)."""
        backend, problem = self.backend, self.problem
        xp, window, out = backend.xp, problem.window, problem.out_shape
        after = window.border_after(problem.x[2:], out)
        image = pad_channels_last(backend, to_channels_last(backend, x), window.pad, after, 0)
        seen = [to_channels_first(backend, image[(slice(None), *tap, ...)]) for tap in window.taps(out)]
        return xp.reshape(xp.stack(seen, axis=2), (x.shape[0], x.shape[1] * len(seen), *out))

    def grad_input(self, gy: Array) -> Array:
        """Return the gradient of x: each pixel's is the sum over the windows that saw it."""
        backend, problem = self.backend, self.problem
        xp, window, out = backend.xp, problem.window, problem.out_shape
        n, c, *spatial = problem.x
        before, after = window.pad, window.border_after(problem.x[2:], out)
        shape = (n, *(b + s + a for b, s, a in zip(before, spatial, after, strict=True)), c)
        image: Array = xp.zeros(shape, dtype=gy.dtype, device=gy.device)
        shares = xp.reshape(gy, (n, c, math.prod(window.size), *out))
        for place, tap in enumerate(window.taps(out)):
            image[(slice(None), *tap, ...)] += to_channels_last(backend, shares[:, :, place, ...])
        if any(before) or any(after):
            image = xp.asarray(image[interior(before, tuple(spatial))], copy=True)
        return to_channels_first(backend, image)
