"""Convolution by matrix products over a few images or lines at a time, whose unfolded windows stay in cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari.types import Shape
from kusari_numpy.convolution.channels_last import HostArray, channels_first_view, channels_last_view
from kusari_numpy.workspace import aligned_empty, workspace

BLOCK: Final = 2**19
"""Numbers of unfolded windows at a time: 2 MiB of float32, and a product that is worth BLAS's threads."""


class UnfoldedConvolution(Convolution):
    """Windows of channels-last images are rows of a matrix, which is multiplied by the filters: y = columns · W.

    Results are views of channels-last memory, in which a window is unfolded by copying whole pixels.
    """

    contract = 1

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take one group of float32 or float64."""
        if problem.dtype not in (np.float32, np.float64):
            return f"BLAS has no {problem.dtype} product"
        if problem.groups != 1:
            return f"{problem.groups} groups would be as many small products"
        return True

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, *out)."""
        problem, activation = self.problem, self.problem.activation
        filters = _by_window(W).reshape(-1, len(W))
        y = aligned_empty((len(x) * math.prod(problem.out_shape), len(W)), x.dtype)
        for place, rows in _seen(problem).pieces(channels_last_view(x)):
            np.matmul(rows, filters, out=y[place])
            if b is not None:
                y[place] += b
            if activation is not None:
                activated: Any = activation.apply(self.backend, y[place])
                y[place] = activated
        return channels_first_view(y.reshape(len(x), *problem.out_shape, len(W)), problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        problem = self.problem
        back = _seen_back(problem)
        if back is None:
            return self._fold(W, gy)
        filters = _by_window(W)[::-1].swapaxes(1, 2)  # the tap that looked ahead now looks back
        n, channels, *spatial = problem.x
        gx = aligned_empty((n * math.prod(spatial), channels), gy.dtype)
        filters = np.ascontiguousarray(filters).reshape(-1, channels)
        for place, rows in back.pieces(channels_last_view(gy)):
            np.matmul(rows, filters, out=gx[place])
        return channels_first_view(gx.reshape(n, *spatial, channels), problem.x[2:])

    def _fold(self, W: HostArray, gy: HostArray) -> HostArray:
        """Return the gradient of x: what each tap gives, added where it came from."""
        problem, rows, spread = self.problem, channels_last_view(gy), _by_window(W).reshape(-1, len(W)).T
        gx = aligned_empty((problem.x[0], *problem.x[2:], problem.x[1]), gy.dtype)
        unfolding = _seen(problem)
        image = workspace("image", (*unfolding.padded, problem.x[1]), gy.dtype)
        for n in range(len(gx)):
            shares = (rows[n].reshape(-1, len(W)) @ spread).reshape(*problem.out_shape, -1, problem.x[1])
            image[...] = 0
            for number, tap in enumerate(unfolding.taps):
                image[tap] += shares[..., number, :]
            gx[n] = image[unfolding.inside]
        return channels_first_view(gx, problem.x[2:])

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        o, c = self.problem.W[:2]
        total = np.zeros((math.prod(self.problem.W[1:]), o), gy.dtype)
        g, share = channels_last_view(gy).reshape(-1, o), np.empty_like(total)
        for place, rows in _seen(self.problem).pieces(channels_last_view(x)):
            np.matmul(rows.T, g[place], out=share)
            total += share
        return np.ascontiguousarray(total.reshape(-1, c, o).T).reshape(self.problem.W)


class _Unfolding:
    """Windows over images of some size as rows (pixels, taps · C).

    Args:
        window: What each output pixel sees of the padded image.
        spatial: The image's size.
        before: The border in front.
        after: The border behind.
        out: The output's size.
        channels: Of the image.
    """

    def __init__(self, window: Window, spatial: Shape, before: Shape, after: Shape, out: Shape, channels: int) -> None:
        self.out, self.channels = out, channels
        self.trivial = window.trivial and spatial == out
        self.padded = tuple(b + n + a for b, n, a in zip(before, spatial, after, strict=True))
        self.inside = tuple(slice(b, b + n) for b, n in zip(before, spatial, strict=True))
        self.taps = list(window.taps(out))
        line = max(1, math.prod(out[1:]) * len(self.taps) * channels)
        self.lines = max(1, min(out[0], BLOCK // line))
        self.images = max(1, BLOCK // (line * max(1, out[0])))

    def pieces(self, images: HostArray) -> Iterator[tuple[slice, HostArray]]:
        """Yield the rows of some pixels, and which pixels these are; the rows are valid until the next ones.

        Args:
            images: (N, *spatial, C), with any strides.
        """
        if self.trivial:
            yield slice(None), images.reshape(-1, self.channels)
            return
        bordered = workspace("image", (self.images, *self.padded, self.channels), images.dtype)
        bordered[...] = 0
        per_line = math.prod(self.out[1:])
        for first in range(0, len(images), self.images):
            some = images[first : first + self.images]
            bordered[(slice(len(some)), *self.inside)] = some
            for line in range(0, self.out[0], self.lines):
                rows = self._unfold(bordered[: len(some)], line, min(self.lines, self.out[0] - line))
                begin = (first * self.out[0] + line) * per_line
                yield slice(begin, begin + len(rows)), rows

    def _unfold(self, bordered: HostArray, line: int, lines: int) -> HostArray:
        """Return the rows of so many lines of images in their border."""
        shape = (len(bordered), lines, *self.out[1:], len(self.taps), self.channels)
        columns = workspace("columns", shape, bordered.dtype)
        for number, (first, *others) in enumerate(self.taps):  # shared out among threads, VGG took 1.3 of the time
            begin = first.start + line * first.step
            along = slice(begin, begin + (lines - 1) * first.step + 1, first.step)
            columns[..., number, :] = bordered[(slice(None), along, *others)]
        return columns.reshape(-1, len(self.taps) * self.channels)


def _seen(problem: ConvolutionProblem) -> _Unfolding:
    """Return how outputs see x."""
    window = problem.window
    return _Unfolding(window, problem.x[2:], window.pad, problem.after, problem.out_shape, problem.x[1])


def _seen_back(problem: ConvolutionProblem) -> _Unfolding | None:
    """Return how pixels of x see gy; None where neighbours see different taps, or not all of gy."""
    window, spatial, out = problem.window, problem.x[2:], problem.out_shape
    reach = [dilate * (size - 1) for size, dilate in zip(window.size, window.dilate, strict=True)]
    before = tuple(r - pad for r, pad in zip(reach, window.pad, strict=True))
    after = tuple(n + r - b - o for n, r, b, o in zip(spatial, reach, before, out, strict=True))
    if set(window.stride) != {1} or min(*before, *after) < 0:
        return None
    return _Unfolding(window._replace(pad=before), out, before, after, spatial, problem.W[0])


def _by_window(W: HostArray) -> HostArray:
    """Return filters (O, C, *window) as (taps, C, O), dense."""
    return np.ascontiguousarray(W.reshape(*W.shape[:2], -1).T)
