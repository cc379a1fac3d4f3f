"""Bilinear sampling of images at given points, and the gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

from kusari.backend import Family
from kusari.kernels.scatter import scatter_sum
from kusari.kernels.window import to_channels_first, to_channels_last
from kusari.types import Array, Shape


class SamplingProblem(NamedTuple):
    """Everything about a sampling but its numbers."""

    x: Shape
    """(N, C, H, W)."""
    grid: Shape
    """(N, 2, H', W')."""
    dtype: Any
    pixels: bool = False
    """Points are given in pixels, 0 for the first one's centre; else from −1 to 1."""


class Along(NamedTuple):
    """Between which two pixels each point lies along one axis."""

    place: Array
    """(N, H', W'), integers: the first of the two, from −2 to length."""
    nearness: Array
    """(N, H', W'): how near to the second, from 0 to 1."""


class Corner(NamedTuple):
    """One of the four pixels around each point."""

    number: Array
    """(N H' W',), integers: its number among all pixels of all images; any where it is outside."""
    inside: Array
    """(N, H', W', 1), booleans."""


class BilinearSampling(Family[SamplingProblem]):
    """y[n, c, h, w] = x[n, c] between the four pixels around (grid[n, 1, h, w], grid[n, 0, h, w]); 0 outside.

    −1 and 1 are the centres of the first and the last pixel; or, where the Problem says so, 0 and length − 1.
    """

    def forward(self, x: Array, grid: Array) -> Array:
        """Return y (N, C, H', W')."""
        across, down = self.between(grid)
        (top_left, top_right), (bottom_left, bottom_right) = self._pixels(x, across, down)
        top = self._mix(top_left, top_right, across.nearness)
        bottom = self._mix(bottom_left, bottom_right, across.nearness)
        return to_channels_first(self.backend, self._mix(top, bottom, down.nearness))

    def backward(
        self, x: Array, grid: Array, gy: Array, wanted: tuple[bool, bool]
    ) -> tuple[Array | None, Array | None]:
        """Return the gradients of (x, grid) that are wanted, None for the other."""
        across, down = self.between(grid)
        gy = to_channels_last(self.backend, gy)
        return (
            self._grad_x(across, down, gy) if wanted[0] else None,
            self._grad_grid(x, across, down, gy) if wanted[1] else None,
        )

    def _grad_x(self, across: Along, down: Along, gy: Array) -> Array:
        xp, (n, c, h, w) = self.backend.xp, self.problem.x
        shares, numbers = [], []
        for below, v in ((0, 1 - down.nearness), (1, down.nearness)):
            for right, u in ((0, 1 - across.nearness), (1, across.nearness)):
                corner = self.corner(across, down, right, below)
                # Where a point is NaN its weight is too; a corner outside must not hand that on.
                share = xp.where(corner.inside, gy * xp.expand_dims(u * v, axis=-1), 0)
                shares.append(xp.reshape(share, (-1, c)))
                numbers.append(corner.number)
        sums = scatter_sum(self.backend, xp.concat(shares, axis=0), xp.concat(numbers, axis=0), 0, n * h * w)
        return to_channels_first(self.backend, xp.reshape(sums, (n, h, w, c)))

    def _grad_grid(self, x: Array, across: Along, down: Along, gy: Array) -> Array:
        xp, (_, _, h, w) = self.backend.xp, self.problem.x
        (top_left, top_right), (bottom_left, bottom_right) = self._pixels(x, across, down)
        slope_across = self._mix(top_right - top_left, bottom_right - bottom_left, down.nearness)
        slope_down = self._mix(bottom_left - top_left, bottom_right - top_right, across.nearness)
        return xp.stack(
            [
                self.in_pixels(xp.sum(slope_across * gy, axis=-1), w),
                self.in_pixels(xp.sum(slope_down * gy, axis=-1), h),
            ],
            axis=1,
        )

    def in_pixels(self, distance: Any, length: int) -> Any:
        """Return how many pixels of an axis a distance in the grid crosses."""
        # Integers: a Python float would turn bfloat16 into float32 on the host.
        return distance if self.problem.pixels else distance * (length - 1) / 2

    def position(self, coordinate: Any, length: int) -> Any:
        """Return a coordinate of the grid, an array or a Variable, in pixels."""
        return coordinate if self.problem.pixels else self.in_pixels(coordinate + 1, length)

    def between(self, grid: Array) -> tuple[Along, Along]:
        """Return between which pixels the points lie, across and down."""
        xp, (_, _, h, w) = self.backend.xp, self.problem.x
        found = []
        for coordinate, length in ((grid[:, 0, ...], w), (grid[:, 1, ...], h)):
            # Where both pixels are outside all is 0: further away would only overflow the integers.
            position = xp.minimum(xp.maximum(self.position(coordinate, length), -2), length)
            floor = xp.floor(position)
            place = xp.astype(xp.where(xp.isnan(floor), 0, floor), xp.int64)
            found.append(Along(place, position - floor))
        return found[0], found[1]

    def corner(self, across: Along, down: Along, right: int, below: int) -> Corner:
        """Return one of the four pixels around each point: the left or right one (0, 1), above or below (0, 1)."""
        xp, (n, _, h, w) = self.backend.xp, self.problem.x
        u, v = across.place + right, down.place + below
        inside = (u >= 0) & (u < w) & (v >= 0) & (v < h)
        image = xp.reshape(xp.arange(n, dtype=xp.int64, device=u.device), (n, 1, 1))
        number = xp.where(inside, (image * h + v) * w + u, 0)
        return Corner(xp.reshape(number, (-1,)), xp.expand_dims(inside, axis=-1))

    def _pixels(self, x: Array, across: Along, down: Along) -> list[list[Array]]:
        """Return the pixels (N, H', W', C) around each point, 0 outside: [[top left, top right], [bottom …]]."""
        xp, (n, c, h, w) = self.backend.xp, self.problem.x
        rows = xp.reshape(to_channels_last(self.backend, x), (n * h * w, c))

        def pixel(corner: Corner) -> Array:
            picked = xp.reshape(xp.take(rows, corner.number, axis=0), (n, *self.problem.grid[2:], c))
            return xp.where(corner.inside, picked, 0)

        return [[pixel(self.corner(across, down, right, below)) for right in (0, 1)] for below in (0, 1)]

    def _mix(self, first: Array, second: Array, nearness: Array) -> Array:
        """Return what lies between two arrays (N, H', W', C)."""
        nearness = self.backend.xp.expand_dims(nearness, axis=-1)
        return first * (1 - nearness) + second * nearness
