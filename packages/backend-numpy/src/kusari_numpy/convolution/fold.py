"""Convolution that makes few channels: one product for all taps, whose numbers are added where each belongs."""

from __future__ import annotations

import itertools
import math
from typing import Final

import numpy as np

from kusari.kernels.conv import ConvolutionProblem
from kusari_numpy.convolution.channels_last import Geometry, HostArray, channels_last, flat_images
from kusari_numpy.convolution.passes import Three
from kusari_numpy.pieces import share
from kusari_numpy.workspace import aligned_empty, workspace

THERE: Final = "folded there"
BACK: Final = "folded back"
FEWEST: Final = 2
"""Images."""
ADDED: Final = 12
"""Products that take as long as adding a number where it belongs."""
HELD: Final = 2**16
"""Numbers that taps give at a time, and stay in cache: 256 KiB of float32."""


class Fold:
    """What makes images of few channels: as far as it does not depend on numbers.

    Args:
        images: How many.
        seen: Sizes of those that are given, along three axes.
        made: Sizes of those that are made.
        channels: Of these.
        stride: From where one pixel gives to where the next does, likewise.
        taps: Distances from there to what each tap gives to, along each axis.
        key: Of the panels.
    """

    def __init__(
        self, images: int, seen: Three, made: Three, channels: int, stride: Three, taps: list[list[int]], key: str
    ) -> None:
        self.key = key
        self.shape, self.seen, self.stride = (images, *made, channels), seen, stride
        self.taps = np.array(list(itertools.product(*taps)), np.int64)
        self.columns = len(self.taps) * channels
        self.lines = max(1, HELD // (seen[2] * self.columns))

    @classmethod
    def forward(cls, problem: ConvolutionProblem) -> Fold | None:
        """Return what makes y of x: a pixel gives to those that see it; None where this is no gain."""
        if set(problem.window.stride) != {1} or not _is_gain(problem, *problem.W[1::-1]):
            return None
        size, out, window = Geometry.of(problem)
        taps = [[pad - k * dilate for k in range(taps)] for taps, _, pad, dilate in window]
        return cls(problem.x[0], size, out, problem.W[0], (1, 1, 1), taps, THERE)

    @classmethod
    def backward(cls, problem: ConvolutionProblem) -> Fold | None:
        """Return what makes gx of gy: a pixel gives to those that it saw; None where this is no gain."""
        if not _is_gain(problem, *problem.W[:2]):
            return None
        size, out, (depth, height, width) = Geometry.of(problem)
        taps = [[k * dilate - pad for k in range(taps)] for taps, _, pad, dilate in (depth, height, width)]
        return cls(problem.x[0], out, size, problem.x[1], (depth[1], height[1], width[1]), taps, BACK)

    def filters(self, W: HostArray) -> HostArray:
        """Return the panels of filters (O, C, *window)."""
        from kusari_numpy.compiled.product import pack_all
        from kusari_numpy.compiled.vectors import WIDEST, whole

        taps = W.reshape(*W.shape[:2], -1)
        matrix = np.ascontiguousarray(taps.transpose((0, 2, 1) if self.key == BACK else (1, 2, 0)))
        given, padded = len(matrix), whole(self.columns, W.dtype)
        packed = aligned_empty((given * padded,), W.dtype)
        panels = -(-padded // (whole(1, W.dtype) * WIDEST))
        pack_all(matrix.reshape(-1), (self.columns, 1), (given, self.columns), packed, 0, panels)
        return packed

    def __call__(
        self, filters: HostArray, images: HostArray, bias: HostArray | None = None, rectify: bool = False
    ) -> HostArray:
        """Return (N, *made, channels) from panels and images (N, channels, *seen)."""
        from kusari_numpy.compiled.fold import folded

        given, result = channels_last(images), aligned_empty(self.shape, images.dtype)
        seen, made = flat_images(given), flat_images(result)
        start = np.zeros(self.shape[-1], result.dtype) if bias is None else np.ascontiguousarray(bias)
        floor = result.dtype.type(0 if rectify else -math.inf)

        def work(first: int, last: int) -> None:
            shares = workspace("shares", (self.lines * self.seen[2] * self.columns,), result.dtype)
            size = self.shape[1:4]
            folded(seen, filters, self.seen, size, self.stride, self.taps, start, floor, made, shares, first, last)

        share(work, len(made), seen.shape[1] * self.columns // 8)
        return result


def _is_gain(problem: ConvolutionProblem, given: int, made: int) -> bool:
    """Tell whether tiles of one tap's channels are so much emptier than those of all taps together.

    From 300 to 2 channels, 3×3 windows 4 apart, a gradient takes 15 ms tap by tap, and folded 2.3; from 32 to 3, 3×3
    windows of stride 2, 2.9 and 1.1; forward from 64 to 3 channels 1.8 and 0.65, to 20 channels 3.4 and 2.8.
    """
    from kusari_numpy.compiled.vectors import whole

    if problem.groups > 1 or problem.x[0] < FEWEST:
        return False
    taps, dtype = math.prod(problem.window.size), problem.dtype
    return given * whole(taps * made, dtype) + ADDED * taps * made <= given * taps * whole(made, dtype)
