"""One convolution without unfolding: its passes over all images, cut into pieces of work."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from kusari.kernels.conv import ConvolutionProblem
from kusari_numpy.convolution.channels_last import HostArray
from kusari_numpy.convolution.passes import Pass, Passes, Three
from kusari_numpy.convolution.places import segments, shifted, source, target
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, aligned_zeros

FEWEST: Final = 4
"""Pieces, at least."""
PIECE: Final = 2**23
"""Multiplications in a piece of work, at least: 0.1 ms, for a call's 5 µs."""
PIXELS: Final = 240
"""In a piece of work, at least: the filters are read once for so many."""
BLOCK: Final = 2**16
"""Numbers of x that all filters are applied to before the next ones, and stay in cache: 256 KiB of float32."""
HELD: Final = 2**17
"""Numbers of a panel of filters that stay in cache meanwhile: 512 KiB of float32."""


class Sweep:
    """The passes that make one image of another: what of them does not depend on numbers."""

    def __init__(self, problem: ConvolutionProblem, passes: Passes, inputs: int, outputs: int, size: Three) -> None:
        from kusari_numpy.compiled.vectors import whole

        self.groups, self.dtype, self.complete = problem.groups, problem.dtype, passes.complete
        self.inputs, self.outputs = inputs // self.groups, outputs // self.groups
        self.padded = whole(self.outputs, self.dtype)
        # A group's last vector may reach into the next group, which is computed later, or out of the last one.
        spare = self.padded - self.outputs
        seen, self.y = (problem.x[0], *passes.bordered, inputs), (problem.x[0], *size, outputs + spare)
        self.grids = [
            (source(one, passes, seen), segments(one, seen, self.groups), target(one, self.y)) for one in passes.passes
        ]
        self.blocking = blocks(inputs, self.dtype)
        self.pieces = [self._pieces(one) for one in passes.passes]

    def _pieces(self, one: Pass) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        from kusari_numpy.compiled.vectors import whole

        pixels, vectors = self.y[0] * math.prod(one.grid), self.padded // whole(1, self.dtype)
        apart = self.groups == 1 or self.padded == self.outputs  # else groups overlap, and one thread has them in turn
        filters = len(list(one.taps)) * self.inputs * self.padded * self.groups
        return _pieces(pixels, vectors, filters, apart)

    def __call__(
        self, images: HostArray, filters: list[list[HostArray]], bias: HostArray | None = None, rectify: bool = False
    ) -> HostArray:
        """Return (N, *size, O) of bordered images (N, D, H, W, C)."""
        y = (aligned_empty if self.complete else aligned_zeros)(self.y, self.dtype)
        shifts = np.zeros((self.groups, self.padded), self.dtype)
        if bias is not None:
            shifts[:, : self.outputs] = bias.reshape(self.groups, self.outputs)
        floor = self.dtype.type(0 if rectify else -math.inf)
        for number, panels in enumerate(filters):
            self._pass(number, images.reshape(-1), panels, y.reshape(-1), shifts, floor)
        channels = self.groups * self.outputs
        return y if y.shape[-1] == channels else np.ascontiguousarray(y[..., :channels])

    def _pass(
        self, number: int, x: HostArray, panels: list[HostArray], y: HostArray, shifts: HostArray, floor: Any
    ) -> None:
        from kusari_numpy.compiled.direct import convolve

        (seen, runs, into), pieces = self.grids[number], self.pieces[number]

        def work(piece: int) -> None:
            pixels, vectors = pieces[piece]
            for group, packed in enumerate(panels):
                of_x, of_y = shifted(seen, group * self.inputs), shifted(into, group * self.outputs)
                convolve(x, of_x, packed, runs, y, of_y, pixels, vectors, shifts[group], floor, *self.blocking)

        pool().run(work, len(pieces))


def blocks(channels: int, dtype: Any) -> tuple[int, int]:
    """Return how many pixels all filters are applied to at a time, and how many rows of a panel of them."""
    from kusari_numpy.compiled.vectors import WIDEST, whole

    pixels = min(PIXELS, max(48, BLOCK // channels // 24 * 24))  # whole tiles of most heights
    return pixels, HELD // whole(1, dtype) // WIDEST


def _pieces(pixels: int, vectors: int, filters: int, apart: bool) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return ranges of pixels and of vectors of channels: a few at least, so that threads have something to share."""
    from kusari_numpy.compiled.vectors import WIDEST

    per_piece = max(PIXELS, PIECE // max(1, filters))
    count = -(-pixels // per_piece)
    panels = -(-vectors // WIDEST)
    parts = 1 if count >= FEWEST or not apart else min(panels, -(-FEWEST // count))
    edges = [min(vectors, panels * part // parts * WIDEST) for part in range(parts + 1)]
    ranges = [(pixels * piece // count, pixels * (piece + 1) // count) for piece in range(count)]
    return [(some, (edges[part], edges[part + 1])) for part in range(parts) for some in ranges]
