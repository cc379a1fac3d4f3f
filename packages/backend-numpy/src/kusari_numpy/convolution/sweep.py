"""One convolution without unfolding: its passes over all images, cut into pieces of work."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.kernels.conv import ConvolutionProblem
from kusari_numpy.convolution.channels_last import HostArray
from kusari_numpy.convolution.panels import Panels
from kusari_numpy.convolution.passes import Pass, Passes, Three
from kusari_numpy.convolution.places import segments, source, target
from kusari_numpy.pieces import Range, ranges
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, aligned_zeros

FEWEST: Final = 4
"""Pieces of all passes, at least."""
PIECE: Final = 2**23
"""Multiplications in a piece of work, at least: 0.1 ms, for a call's 5 µs."""
PIXELS: Final = 240
"""In a piece of work, at least: the filters are read once for so many."""
BLOCK: Final = 2**16
"""Numbers of x that all filters are applied to before the next ones, and stay in cache: 256 KiB of float32."""
HELD: Final = 2**17
"""Numbers of a panel of filters that stay in cache meanwhile: 512 KiB of float32."""


class Part(NamedTuple):
    """A piece of work."""

    number: int
    """Of the pass."""
    pixels: Range
    vectors: Range
    """Of a group's channels."""
    groups: Range


class Sweep:
    """The passes that make one image of another: what of them does not depend on numbers."""

    def __init__(self, problem: ConvolutionProblem, passes: Passes, inputs: int, outputs: int, size: Three) -> None:
        from kusari_numpy.compiled.vectors import whole

        self.groups, self.dtype, self.complete = problem.groups, problem.dtype, passes.complete
        self.inputs, self.outputs = inputs // self.groups, outputs // self.groups
        self.padded = whole(self.outputs, self.dtype)
        seen, self.y = (problem.x[0], *passes.bordered, inputs), (problem.x[0], *size, outputs)
        self.grids = [
            (source(one, passes, seen), segments(one, seen, self.inputs), target(one, self.y)) for one in passes.passes
        ]
        self.blocking = blocks(inputs, self.dtype)
        # Those that see the same images follow one another: a stride's passes take turns.
        wanted = -(-FEWEST // max(1, len(passes.passes)))
        parts = [(part, one) for number, one in enumerate(passes.passes) for part in self._parts(number, one, wanted)]
        parts = sorted(parts, key=lambda pair: pair[0].pixels[0] / math.prod(pair[1].grid))
        self.numbers = [part.number for part, _ in parts]
        self.parts = np.array([[*part.pixels, *part.vectors, *part.groups] for part, _ in parts], np.int64)

    def _parts(self, number: int, one: Pass, wanted: int) -> list[Part]:
        from kusari_numpy.compiled.vectors import whole

        pixels, vectors = self.y[0] * math.prod(one.grid), self.padded // whole(1, self.dtype)
        filters = len(list(one.taps)) * self.inputs * self.padded * self.groups
        return [Part(number, *ranges) for ranges in _cut(pixels, vectors, filters, self.groups, wanted)]

    def __call__(
        self, images: HostArray, panels: list[Panels], bias: HostArray | None = None, rectify: bool = False
    ) -> HostArray:
        """Return (N, *size, O) of bordered images (N, D, H, W, C); ``panels``: of each pass."""
        from kusari_numpy.compiled.direct import convolve_parts

        y = (aligned_empty if self.complete else aligned_zeros)(self.y, self.dtype)
        shifts = np.zeros((self.groups, self.padded), self.dtype)
        if bias is not None:
            shifts[:, : self.outputs] = bias.reshape(self.groups, self.outputs)
        finish = shifts, self.dtype.type(0 if rectify else -math.inf), self.blocking
        x, flat = images.reshape(-1), y.reshape(-1)

        def convolve(number: int, parts: HostArray, threads: int) -> None:
            (seen, runs, into), filters = self.grids[number], panels[number]
            sees = x, seen, self.inputs, filters.memory, filters.packing, runs
            pool().take_turns(convolve_parts, (*sees, flat, into, self.outputs, parts, *finish), threads)

        if len(self.grids) == 1:
            convolve(0, self.parts, pool().sharing(len(self.parts)))
            panels[0].have_been_packed()
        else:
            for each in panels:
                each.pack()  # before the pieces of work, of which each would
            pool().run(lambda piece: convolve(self.numbers[piece], self.parts[piece : piece + 1], 1), len(self.parts))
        return y


def blocks(channels: int, dtype: Any) -> tuple[int, int]:
    """Return how many pixels all filters are applied to at a time, and how many rows of a panel of them."""
    from kusari_numpy.compiled.vectors import WIDEST, whole

    pixels = min(PIXELS, max(48, BLOCK // channels // 24 * 24))  # whole tiles of most heights
    return pixels, HELD // whole(1, dtype) // WIDEST


def _cut(pixels: int, vectors: int, filters: int, groups: int, fewest: int) -> list[tuple[Range, Range, Range]]:
    """Return ranges of pixels, vectors and groups that make up a pass: a few, so that threads have some to share."""
    from kusari_numpy.compiled.vectors import WIDEST

    count = -(-pixels // max(PIXELS, PIECE // max(1, filters)))
    some = ranges(pixels, count)
    wanted = 1 if count >= fewest else -(-fewest // count)
    if groups > 1:
        return [(one, (0, vectors), part) for part in ranges(groups, wanted) for one in some]
    panels = ranges(-(-vectors // WIDEST), wanted)
    whole = [(first * WIDEST, min(vectors, last * WIDEST)) for first, last in panels]
    return [(one, part, (0, 1)) for part in whole for one in some]
