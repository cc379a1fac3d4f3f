"""Pooling of regions of interest (RoIs): rectangles of images, each cut into the same number of bins."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from kusari.backend import Backend, Family
from kusari.configuration import config
from kusari.errors import SynchronizationError
from kusari.kernels.scatter import scatter_sum
from kusari.types import Array, Shape

BLOCK: int = 1 << 24
"""How many elements are made at a time: copies of an image (512, 38, 50) for 128 RoIs would take 500 MB."""


class RoiProblem(NamedTuple):
    """Everything about a pooling of RoIs but its numbers."""

    x: Shape
    """(N, C, H, W)."""
    rois: int
    """R."""
    out: Shape
    """(H', W'): into how many bins each RoI is cut."""
    scale: float
    """From the RoIs' coordinates to pixels of x."""
    dtype: Any
    strides: Shape | None = None
    samples: tuple[int | None, int | None] | None = None
    """None: bins are whole pixels. Else at how many points each bin is sampled, down and across, between the pixels;
    None for one of the two: at as many as the bin is long, rounded up."""
    fast_rcnn: bool = False
    """The RoIs' last pixels belong to them, and empty bins give 0; else they do not, and a maximum of none is −∞."""


class RoiAverage(Family[RoiProblem]):
    """y = the mean over each bin: of its pixels, or of points sampled between them.

    Portable definition: both are weighted sums whose weights are products, one for rows, one for columns; so y is
    the product of three matrices: (H', H) · (H, W) · (W, W').
    """

    def forward(self, x: Array, rois: Array, image: Array) -> tuple[Array, Any]:
        """Return y (R, C, H', W'), and what the other methods want kept.

        Args:
            x: (N, C, H, W).
            rois: (R, 4): top, left, bottom, right; float32 or float64, whatever x is.
            image: (R,), integers: which image each RoI is of.
        """
        xp = self.backend.xp
        down, across = (xp.astype(self._weights(rois, axis), x.dtype, copy=False) for axis in (0, 1))
        kept = image, down, across
        return self.gather(kept, x), kept

    def gather(self, kept: Any, x: Array) -> Array:
        """Return y for another x under the same weights: `grad_input`'s own gradient."""
        xp, (image, down, across), (_, c, h, w) = self.backend.xp, kept, self.problem.x
        parts = []
        for block in _blocks(self.problem, c * h * w):
            pixels = xp.take(x, image[block], axis=0)
            rows = xp.matmul(xp.reshape(pixels, (pixels.shape[0], c * h, w)), xp.matrix_transpose(across[block, :, :]))
            rows = xp.reshape(rows, (pixels.shape[0], c, h, across.shape[1]))
            parts.append(xp.matmul(xp.expand_dims(down[block, :, :], axis=1), rows))
        return xp.concat(parts, axis=0)

    def grad_input(self, kept: Any, gy: Array) -> Array:
        """Return the gradient of x."""
        xp, (image, down, across), (n, c, h, w) = self.backend.xp, kept, self.problem.x
        gx = xp.zeros((n, c, h, w), dtype=gy.dtype, device=gy.device)
        for block in _blocks(self.problem, c * h * w):
            rows = xp.matmul(xp.expand_dims(xp.matrix_transpose(down[block, :, :]), axis=1), gy[block, ...])
            count = rows.shape[0]
            pixels = xp.matmul(xp.reshape(rows, (count, c * h, across.shape[1])), across[block, :, :])
            pixels = xp.reshape(pixels, (count, c, h, w))
            gx += scatter_sum(self.backend, pixels, image[block], 0, n)
        return gx

    def _weights(self, rois: Array, axis: int) -> Array:
        """Return how much each row (column) of x counts in each bin: (R, bins, length)."""
        backend, problem = self.backend, self.problem
        if problem.samples is not None:
            return sample_points(backend, problem, rois, axis).weights(backend)
        xp = backend.xp
        begin, end = (xp.expand_dims(bound, axis=-1) for bound in pixel_bounds(backend, problem, rois, axis))
        pixel = xp.arange(problem.x[2 + axis], dtype=xp.int64, device=rois.device)
        seen = xp.astype((begin <= pixel) & (pixel < end), rois.dtype)
        return seen / xp.maximum(xp.sum(seen, axis=-1, keepdims=True), 1)


class RoiMax(Family[RoiProblem]):
    """y = the maximum over each bin: of its pixels, the first of equals; or of points sampled between them."""

    def forward(self, x: Array, rois: Array, image: Array) -> tuple[Array, Any]:
        """Return y (R, C, H', W'), and what the other methods want kept; arguments as for `RoiAverage.forward`.

        Raises:
            SynchronizationError: The number of samples follows from the RoIs, so that this portable definition must
                read the largest one, and ``config.forbid_synchronization`` is on.
        """
        xp = self.backend.xp
        image = xp.astype(image, xp.int64)
        y, kept = (self._over_pixels if self.problem.samples is None else self._over_points)(x, rois, image)
        return xp.permute_dims(y, (1, 0, 2, 3)), kept

    # Kept: for each part of which a maximum is made, its number in x as (C, N, H, W) and its weight: (C, R, H', W').

    def gather(self, kept: Any, x: Array) -> Array:
        """Return y for another x under the same choice: `grad_input`'s own gradient."""
        xp, pixels, parts = self.backend.xp, _flat(self.backend, x), []
        for number, weight in kept:
            picked = xp.reshape(xp.take(pixels, xp.reshape(number, (-1,))), number.shape)
            parts.append(picked * weight)
        return xp.permute_dims(sum(parts[1:], parts[0]), (1, 0, 2, 3))

    def grad_input(self, kept: Any, gy: Array) -> Array:
        """Return the gradient of x."""
        xp, (n, c, h, w) = self.backend.xp, self.problem.x
        gy = xp.permute_dims(gy, (1, 0, 2, 3))
        values = xp.concat([xp.reshape(gy * weight, (-1,)) for _, weight in kept])
        numbers = xp.concat([xp.reshape(number, (-1,)) for number, _ in kept])
        gx = scatter_sum(self.backend, values, numbers, 0, c * n * h * w)
        return xp.permute_dims(xp.reshape(gx, (c, n, h, w)), (1, 0, 2, 3))

    def _over_pixels(self, x: Array, rois: Array, image: Array) -> tuple[Array, Any]:
        """Take the maximum along the rows of each bin, then of these."""
        xp, problem, (c, h, w) = self.backend.xp, self.problem, self.problem.x[1:]
        down, across = (pixel_bounds(self.backend, problem, rois, axis) for axis in (0, 1))
        row = xp.arange(h, dtype=xp.int64, device=rois.device)
        highest, places = [], []
        for block in _blocks(problem, c * h * problem.out[1]):
            best, column = self._along_rows(x, image[block], across[0][block, :], across[1][block, :])
            here = (down[0][block, :, None] <= row) & (row < down[1][block, :, None])
            in_bins = [xp.where(here[:, None, None, i, :], best, -math.inf) for i in range(problem.out[0])]
            chosen = xp.stack([xp.argmax(seen, axis=-1) for seen in in_bins], axis=-1)  # (R, W', C, H')
            highest.append(xp.take_along_axis(best, chosen, axis=-1))
            places.append(chosen * w + xp.take_along_axis(column, chosen, axis=-1))
        y, place = (xp.permute_dims(xp.concat(parts, axis=0), (2, 0, 3, 1)) for parts in (highest, places))
        found = xp.expand_dims(down[0] < down[1], axis=-1) & xp.expand_dims(across[0] < across[1], axis=-2)
        y = xp.where(found, y, 0 if problem.fast_rcnn else -math.inf)
        number = self._channel(image) + xp.reshape(image, (-1, 1, 1)) * (h * w) + place
        return y, [(number, xp.astype(found, x.dtype))]

    def _along_rows(self, x: Array, image: Array, begin: Array, end: Array) -> tuple[Array, Array]:
        """Return the maximum over the columns begin … end − 1 of every row, and where it is: (R, W', C, H).

        The maximum over 2, 4, 8 … columns is that over two halves; and any number of columns is two such runs, which
        may overlap. So this takes log₂ W passes over x, however many RoIs there are.
        """
        xp, (n, c, h, w) = self.backend.xp, self.problem.x
        highest = xp.permute_dims(x, (0, 3, 1, 2))
        place = xp.reshape(xp.arange(w, dtype=xp.int64, device=x.device), (1, w, 1, 1))
        place = xp.broadcast_to(place, highest.shape)
        shape, length, run = (*begin.shape, c, h), xp.expand_dims(end - begin, axis=(2, 3)), 1
        best = xp.full(shape, -math.inf, dtype=x.dtype, device=x.device)
        column = xp.zeros(shape, dtype=xp.int64, device=x.device)
        while True:
            fits = (length >= run) & (length < 2 * run)
            starts = w - run + 1
            for start in (begin, end - run):
                index = xp.reshape(xp.expand_dims(image, axis=1) * starts + xp.clip(start, 0, starts - 1), (-1,))
                one, where = (
                    xp.reshape(xp.take(xp.reshape(a, (n * starts, c * h)), index, axis=0), shape)
                    for a in (highest, place)
                )
                better = fits & self._exceeds(one, best)
                best, column = xp.where(better, one, best), xp.where(better, where, column)
            if 2 * run > w:
                return best, column
            first, second = highest[:, : starts - run, :, :], highest[:, run:, :, :]
            better = self._exceeds(second, first)
            highest = xp.where(better, second, first)
            place = xp.where(better, place[:, run:, :, :], place[:, : starts - run, :, :])
            run *= 2

    def _exceeds(self, a: Array, b: Array) -> Array:
        """Tell where a > b, or a is the first NaN."""
        xp = self.backend.xp
        return (a > b) | xp.isnan(a) & ~xp.isnan(b)

    def _over_points(self, x: Array, rois: Array, image: Array) -> tuple[Array, Any]:
        """Take the maximum over the points, one in each bin at a time."""
        xp, problem, (n, c, h, w) = self.backend.xp, self.problem, self.problem.x
        assert problem.samples is not None
        down = sample_points(self.backend, problem, rois, 0)
        across = sample_points(self.backend, problem, rois, 1).turned(self.backend)
        rows, columns = self._most(down, problem.samples[0]), self._most(across, problem.samples[1])
        pixels = xp.reshape(_flat(self.backend, x), (c, n * h * w))
        shape = (c, problem.rois, *problem.out)
        best = xp.full(shape, -math.inf, dtype=x.dtype, device=x.device)
        chosen = xp.full(shape, -1, dtype=xp.int64, device=x.device)
        for i in range(rows):
            for j in range(columns):
                corners = self._corners(image, down, across, i, j)
                value = sum(
                    xp.reshape(xp.take(pixels, xp.reshape(number, (-1,)), axis=1), shape) * weight
                    for number, weight in corners
                )
                inside = down.holds(self.backend, i) & across.holds(self.backend, j)
                better = inside & self._exceeds(value, best)
                best = xp.where(better, value, best)
                chosen = xp.where(better, i * columns + j, chosen)
        found = xp.astype(chosen >= 0, x.dtype)
        chosen = xp.maximum(chosen, 0)
        i, j = xp.floor_divide(chosen, max(columns, 1)), xp.remainder(chosen, max(columns, 1))
        made = self._corners(image, down, across, xp.astype(i, rois.dtype), xp.astype(j, rois.dtype))
        return best, [(self._channel(image) + number, xp.astype(weight, x.dtype) * found) for number, weight in made]

    def _corners(self, image: Array, down: Points, across: Points, i: Any, j: Any) -> list[tuple[Array, Array]]:
        """Return the four pixels around sample (i, j) of each bin: number in x as (N, H, W), and weight."""
        xp, (_, _, h, w) = self.backend.xp, self.problem.x
        first = xp.reshape(image, (-1, 1, 1)) * h
        return [
            ((first + row) * w + column, xp.astype(v * u, self.backend.native_dtype(self.problem.dtype)))
            for row, v in down.neighbours(self.backend, i)
            for column, u in across.neighbours(self.backend, j)
        ]

    def _channel(self, image: Array) -> Array:
        """Return the number of each channel's first pixel in x as (C, N, H, W): (C, 1, 1, 1)."""
        xp, (n, c, h, w) = self.backend.xp, self.problem.x
        return xp.reshape(xp.arange(c, dtype=xp.int64, device=image.device), (-1, 1, 1, 1)) * (n * h * w)

    def _most(self, points: Points, given: int | None) -> int:
        """Return the largest number of samples along an axis."""
        if given is not None or self.problem.rois == 0:
            return given or 0
        if config.forbid_synchronization:
            raise SynchronizationError(
                "the number of samples follows from the largest RoI, which must be read; give sampling_ratio"
            )
        return int(self.backend.xp.max(points.number))


class Points(NamedTuple):
    """The points along one axis at which bins are sampled: s = 0 … number − 1 at start + (s + ½) step."""

    start: Array
    """(R, bins, 1): where each bin begins."""
    step: Array
    """(R, 1, 1)."""
    number: Array
    """(R, 1, 1), floating."""
    length: int
    """Of x along this axis. Points more than one pixel outside do not count; others are moved to the edge."""

    def turned(self, backend: Backend) -> Points:
        """Return the points with bins along the last axis: (R, 1, bins)."""
        return self._replace(start=backend.xp.matrix_transpose(self.start))

    def holds(self, backend: Backend, s: Any) -> Array:
        """Tell whether there is a sample s, and whether it counts."""
        position = self.start + (s + 0.5) * self.step
        return (s < self.number) & (position >= -1) & (position <= self.length)

    def neighbours(self, backend: Backend, s: Any) -> list[tuple[Array, Array]]:
        """Return the two pixels around sample s, with their weights."""
        xp = backend.xp
        position = xp.clip(self.start + (s + 0.5) * self.step, 0, self.length - 1)
        before = xp.floor(position)
        after = xp.minimum(before + 1, self.length - 1)
        near = position - before
        return [(xp.astype(before, xp.int64), 1 - near), (xp.astype(after, xp.int64), near)]

    def weights(self, backend: Backend) -> Array:
        """Return how much each pixel counts in the mean over a bin's samples: (R, bins, length).

        Sample by sample this would take as many steps as the largest RoI has samples, and its size is not known
        here. But the samples between two pixels, m of them from number s on, are m · start + step · Σ (s + ½) in sum.
        """
        xp, length = backend.xp, self.length
        edge = xp.arange(-1, length + 1, dtype=self.start.dtype, device=self.start.device)
        first = xp.ceil((edge - self.start) / self.step - 0.5)  # the first sample at or behind each edge
        last = xp.floor((edge[-1:] - self.start) / self.step - 0.5) + 1  # a point on the last edge still counts
        first = xp.clip(xp.concat([first[:, :, :-1], last], axis=-1), 0, self.number)
        before, behind = first[:, :, :-1], first[:, :, 1:]
        count = xp.maximum(behind - before, 0)
        # Σ (position − edge): what goes to the pixel behind each; all of it before pixel 0, none behind the last.
        share = count * (self.start + self.step * (before + behind) / 2 - edge[:-1])
        share = xp.concat([count[:, :, :1], share[:, :, 1:-1], xp.zeros_like(share[:, :, :1])], axis=-1)
        return ((count - share)[:, :, 1:] + share[:, :, :-1]) / self.number


def sample_points(backend: Backend, problem: RoiProblem, rois: Array, axis: int) -> Points:
    """Return where the bins of each RoI are sampled along an axis."""
    assert problem.samples is not None
    xp, bins, given = backend.xp, problem.out[axis], problem.samples[axis]
    low, high = (xp.reshape(rois[:, place], (-1, 1, 1)) * problem.scale for place in (axis, axis + 2))
    size = xp.maximum(high - low, 1) / bins
    number = xp.ceil(size) if given is None else xp.full_like(size, given)
    place = xp.reshape(xp.arange(bins, dtype=rois.dtype, device=rois.device), (1, -1, 1))
    return Points(low + place * size, size / number, number, problem.x[2 + axis])


def pixel_bounds(backend: Backend, problem: RoiProblem, rois: Array, axis: int) -> tuple[Array, Array]:
    """Return the first row (column) of x that each bin of each RoI has, and the one behind the last: (R, bins)."""
    xp, bins, length = backend.xp, problem.out[axis], problem.x[2 + axis]
    low, high = (
        xp.astype(xp.round(xp.reshape(rois[:, place], (-1, 1)) * problem.scale), xp.int64) for place in (axis, axis + 2)
    )
    size = xp.maximum(high - low + int(problem.fast_rcnn), 1)
    place = xp.arange(bins, dtype=xp.int64, device=rois.device)
    begin = low + xp.floor_divide(place * size, bins)
    end = low - xp.floor_divide(-(place + 1) * size, bins)  # rounded up
    return xp.clip(begin, 0, length), xp.clip(end, 0, length)


def _blocks(problem: RoiProblem, elements: int) -> Iterator[slice]:
    """Yield slices of RoIs, so many at a time that they take `BLOCK`, each ``elements``; one slice for no RoI."""
    step = max(1, BLOCK // max(1, elements))
    for begin in range(0, max(problem.rois, 1), step):
        yield slice(begin, min(begin + step, problem.rois))


def _flat(backend: Backend, x: Array) -> Array:
    """Return the pixels of x in the order (C, N, H, W), as one axis."""
    return backend.xp.reshape(backend.xp.permute_dims(x, (1, 0, 2, 3)), (-1,))
