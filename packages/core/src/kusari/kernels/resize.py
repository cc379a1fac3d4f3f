"""Resizing images by interpolation between pixels, and the gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

from kusari.backend import Backend, Family
from kusari.kernels.scatter import scatter_sum
from kusari.types import Array, Shape


class ResizeProblem(NamedTuple):
    """Everything about a resizing but its numbers."""

    x: Shape
    """(N, C, *spatial)."""
    out: Shape
    """The spatial shape of the result."""
    dtype: Any
    mode: str = "bilinear"
    """``bilinear`` (linear along each axis), or ``nearest``."""
    align_corners: bool = True
    """Bilinear: the centres of the corner pixels fall on each other; else the images' edges do."""


class _Axis(NamedTuple):
    """Between which two places along an axis each new one lies, and how near to the second."""

    low: list[int]
    high: list[int]
    nearness: list[float]


def axis_table(length: int, out: int, align_corners: bool) -> _Axis:
    """Return the table of linear interpolation from ``length`` places to ``out``.

    >>> axis_table(3, 5, True).nearness
    [0.0, 0.5, 0.0, 0.5, 1.0]
    """
    if align_corners:
        positions = [place * (length - 1) / max(out - 1, 1) for place in range(out)]
    else:
        positions = [min(max((place + 0.5) * length / out - 0.5, 0), length - 1) for place in range(out)]
    low = [min(int(position), max(length - 2, 0)) for position in positions]
    high = [min(place + 1, length - 1) for place in low]
    return _Axis(low, high, [position - place for position, place in zip(positions, low, strict=True)])


class Resize(Family[ResizeProblem]):
    """y = images with another number of pixels, interpolated along one axis after the other."""

    def __init__(self, backend: Backend, problem: ResizeProblem) -> None:
        super().__init__(backend, problem)
        spatial = problem.x[2:]
        self._nearest = [[i * n // o for i in range(o)] for n, o in zip(spatial, problem.out, strict=True)]
        self._linear = [axis_table(n, o, problem.align_corners) for n, o in zip(spatial, problem.out, strict=True)]

    def forward(self, x: Array) -> Array:
        """Return y (N, C, *out)."""
        xp = self.backend.xp
        for axis in range(2, x.ndim):
            if self.problem.mode == "nearest":
                x = xp.take(x, self._places(self._nearest[axis - 2], x), axis=axis)
            else:
                table = self._linear[axis - 2]
                low = xp.take(x, self._places(table.low, x), axis=axis)
                high = xp.take(x, self._places(table.high, x), axis=axis)
                nearness = self._nearness(table, x, axis)
                x = low * (1 - nearness) + high * nearness
        return x

    def grad_input(self, gy: Array) -> Array:
        """Return the gradient of x (N, C, *spatial)."""
        xp = self.backend.xp
        for axis in range(gy.ndim - 1, 1, -1):
            length = self.problem.x[axis]
            if self.problem.mode == "nearest":
                gy = scatter_sum(self.backend, gy, self._places(self._nearest[axis - 2], gy), axis, length)
            else:
                table = self._linear[axis - 2]
                nearness = self._nearness(table, gy, axis)
                shares = xp.concat([gy * (1 - nearness), gy * nearness], axis=axis)
                gy = scatter_sum(self.backend, shares, self._places(table.low + table.high, gy), axis, length)
        return gy

    def _places(self, places: list[int], like: Array) -> Any:
        return self.backend.xp.asarray(places, dtype=self.backend.xp.int64, device=like.device)

    def _nearness(self, table: _Axis, like: Array, axis: int) -> Any:
        xp = self.backend.xp
        nearness = xp.asarray(table.nearness, dtype=like.dtype, device=like.device)
        return xp.reshape(nearness, (-1, *(1,) * (like.ndim - axis - 1)))
