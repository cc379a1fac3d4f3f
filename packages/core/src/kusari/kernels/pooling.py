"""Max and average pooling over any number of spatial axes, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from kusari.backend import Backend, Family
from kusari.kernels.reduction import total
from kusari.kernels.window import Window, interior, pad_channels_last, to_channels_first, to_channels_last
from kusari.types import Array, Shape


class PoolingProblem(NamedTuple):
    """Everything about a pooling but its numbers."""

    x: Shape
    """(N, C, *spatial)."""
    window: Window
    dtype: Any
    strides: Shape | None = None
    cover_all: bool = False
    """Let the last window hang over the edge, so that every pixel is seen."""
    count_border: bool = True
    """Average pooling: pixels of the border count as zeros; else they do not count."""

    @property
    def out_shape(self) -> Shape:
        """The spatial shape of the output."""
        return self.window.out_shape(self.x[2:], self.cover_all)

    @property
    def after(self) -> Shape:
        """The border behind the image."""
        return self.window.border_after(self.x[2:], self.out_shape)


class _Windows:
    """The windows of a pooling, as slices of a padded channels-last image."""

    def __init__(self, backend: Backend, problem: PoolingProblem) -> None:
        self.backend = backend
        self.problem = problem
        self.taps = list(problem.window.taps(problem.out_shape))
        self.count = len(self.taps)

    def see(self, x: Array, border: float) -> list[Array]:
        """Return, for each place in the window, what it sees: (N, *out, C)."""
        backend, problem = self.backend, self.problem
        image = pad_channels_last(backend, to_channels_last(backend, x), problem.window.pad, problem.after, border)
        return [image[(slice(None), *tap, ...)] for tap in self.taps]

    def give_back(self, shares: list[Array]) -> Array:
        """Return the input-shaped sum of what each place gives to the pixels that it saw."""
        problem, xp, like = self.problem, self.backend.xp, shares[0]
        n, c, *spatial = problem.x
        before, after = problem.window.pad, problem.after
        shape = (n, *(b + s + a for b, s, a in zip(before, spatial, after, strict=True)), c)
        image: Array = xp.zeros(shape, dtype=like.dtype, device=like.device)
        for share, tap in zip(shares, self.taps, strict=True):
            image[(slice(None), *tap, ...)] += share
        if any(before) or any(after):
            image = xp.asarray(image[interior(before, tuple(spatial))], copy=True)
        return to_channels_first(self.backend, image)


class MaxPooling(Family[PoolingProblem]):
    """y = the largest value in each window; the first of equals; NaN wins."""

    def __init__(self, backend: Backend, problem: PoolingProblem) -> None:
        super().__init__(backend, problem)
        self._windows = _Windows(backend, problem)

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return y (N, C, *out) and, for each, the place in the window that it came from (row-major, int32)."""
        xp = self.backend.xp
        taps = self._windows.see(x, -math.inf)
        best = taps[0]
        where: Array = xp.zeros(best.shape, dtype=xp.int32, device=x.device)
        for place, tap in enumerate(taps[1:], start=1):
            before, best = best, xp.maximum(best, tap)  # NaN where either is
            better = (best != before) & (before == before)
            where = xp.maximum(where, xp.astype(better, xp.int32) * place)  # NumPy takes a third of where()'s time
        if len(taps) == 1:
            best = xp.asarray(best, copy=True)
        return to_channels_first(self.backend, best), to_channels_first(self.backend, where)

    def grad_input(self, where: Array, gy: Array) -> Array:
        """Return the gradient of x: each output's goes to the place it came from."""
        xp = self.backend.xp
        gy, where = to_channels_last(self.backend, gy), to_channels_last(self.backend, where)
        return self._windows.give_back([xp.where(where == place, gy, 0) for place in range(self._windows.count)])

    def gather(self, where: Array, x: Array) -> Array:
        """Return x at the places that forward chose: `grad_input`'s own gradient."""
        xp = self.backend.xp
        where = to_channels_last(self.backend, where)
        taps = self._windows.see(x, 0)
        picked = taps[0]
        for place, tap in enumerate(taps[1:], start=1):
            picked = xp.where(where == place, tap, picked)
        return to_channels_first(self.backend, xp.asarray(picked, copy=True))


class AveragePooling(Family[PoolingProblem]):
    """y = the mean over each window."""

    def __init__(self, backend: Backend, problem: PoolingProblem) -> None:
        super().__init__(backend, problem)
        self._windows = _Windows(backend, problem)

    def forward(self, x: Array) -> Array:
        """Return y (N, C, *out)."""
        first, *rest = self._windows.see(x, 0)
        seen = first
        for tap in rest:
            seen = seen + tap
        return to_channels_first(self.backend, self._weighted(seen))

    def grad_input(self, gy: Array) -> Array:
        """Return the gradient of x: each output's is spread evenly over its window."""
        share = self._weighted(to_channels_last(self.backend, gy))
        return self._windows.give_back([share] * self._windows.count)

    def _weighted(self, x: Array) -> Array:
        """Return x (N, *out, C) times the weight, in its dtype: the host's bfloat16 times a number is float32."""
        return self.backend.xp.astype(x * self._weight(x), x.dtype, copy=False)

    def _weight(self, like: Array) -> Any:
        """Return 1 / the number of pixels that count, a number or (1, *out, 1)."""
        if self.problem.count_border:
            return 1 / self._windows.count
        xp = self.backend.xp
        ones = xp.ones((1, 1, *self.problem.x[2:]), dtype=like.dtype, device=like.device)
        first, *rest = self._windows.see(ones, 0)
        seen = first
        for tap in rest:
            seen = seen + tap
        return 1 / xp.maximum(seen, 1)


class Unpooling(Family[PoolingProblem]):
    """y = each value, spread over the window that a pooling would take it from; where windows overlap, the sum.

    The Problem is that pooling's: its x is what comes out here.
    """

    def __init__(self, backend: Backend, problem: PoolingProblem) -> None:
        super().__init__(backend, problem)
        self._windows = _Windows(backend, problem)

    def forward(self, x: Array) -> Array:
        """Return y of the shape problem.x; x (N, C, *out)."""
        xp, image = self.backend.xp, to_channels_last(self.backend, x)
        if not self.tiles:
            return self._windows.give_back([image] * self._windows.count)
        n, *out, c = image.shape
        tiles: Array = xp.empty(self._tiled, dtype=x.dtype, device=x.device)
        tiles[...] = xp.reshape(image, (n, *_paired(out, [1] * len(out)), c))
        return to_channels_first(self.backend, xp.reshape(tiles, (n, *self.problem.x[2:], c)))

    def grad_input(self, gy: Array) -> Array:
        """Return the gradient of x: the sum over each window."""
        if self.tiles:
            tiles = self.backend.xp.reshape(to_channels_last(self.backend, gy), self._tiled)
            within = tuple(range(2, len(self._tiled) - 1, 2))
            return to_channels_first(self.backend, total(self.backend, tiles, within))
        first, *rest = self._windows.see(gy, 0)
        gx = self.backend.xp.asarray(first, copy=True)
        for tap in rest:
            gx += tap
        return to_channels_first(self.backend, gx)

    @property
    def tiles(self) -> bool:
        """Whether the windows cover everything, once."""
        problem, window = self.problem, self.problem.window
        whole = tuple([o * k for o, k in zip(problem.out_shape, window.size, strict=True)])
        return (
            window.stride == window.size
            and not any(window.pad)
            and set(window.dilate) == {1}
            and problem.x[2:] == whole
        )

    @property
    def _tiled(self) -> Shape:
        """y channels-last, with two axes for each: which window, and where in it."""
        n, c, *_ = self.problem.x
        return (n, *_paired(self.problem.out_shape, self.problem.window.size), c)


def _paired(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Return a and b in turn."""
    return [number for pair in zip(a, b, strict=True) for number in pair]
