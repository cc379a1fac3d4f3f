"""The gradient of filters without unfolding, cut into pieces of work."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.kernels.conv import ConvolutionProblem
from kusari_numpy.convolution.channels_last import HostArray, transposed
from kusari_numpy.convolution.passes import Passes, Three
from kusari_numpy.convolution.places import Seen, filter_places, pixel_runs, source
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_zeros, workspace

LANES: Final = 4
"""In so many parts are the gradients of filters computed, whatever the number of threads: the sums do not vary."""
HELD: Final = 2**17
"""Numbers of gy that go by for all rows of the gradient, and stay in cache: 512 KiB of float32."""
CLOSE: Final = 16
"""Numbers from one pixel to the next. Farther apart, they drive each other out of the L1 cache: the gradient of 512 to
256 channels takes 17 ms as they lie, and 8.7 packed."""


class Part(NamedTuple):
    """A part of a gradient that one piece of work computes."""

    rows: HostArray
    """Where in x each of its rows is seen, and the last one again for as many as a tile is high."""
    targets: HostArray
    """Where in the gradient they begin, likewise."""
    columns: tuple[int, int]
    """The first output channel and the one after the last."""


class FilterGradient:
    """The gradient of filters: what of it does not depend on numbers."""

    def __init__(self, problem: ConvolutionProblem, passes: Passes, size: Three) -> None:
        from kusari_numpy.compiled.vectors import TALLEST, whole

        self.shape, self.groups, self.dtype, one = problem.W, problem.groups, problem.dtype, passes.passes[0]
        self.inputs, self.outputs = problem.x[1] // self.groups, problem.W[0] // self.groups
        self.padded = whole(self.outputs, self.dtype)
        seen, self.step = Seen.of(passes, problem.x[0], problem.x[1], self.groups)
        gy = (problem.x[0], *size, problem.W[0])
        block = pixels_at_once(self.padded)
        self.runs, self.steps = pixel_runs(source(one, passes, seen), gy, block)
        self.per_block = max(1, block // int(self.runs[0, 2]))
        rows, targets = filter_places(seen, one, self.inputs, self.padded)
        self.rows = len(rows)
        # Lanes of images read everything once, and write the gradient four times; parts of it the other way round.
        written = 4 * self.groups * self.rows * self.padded
        self.lanes = LANES if written <= math.prod(seen) + math.prod(gy) else 1
        self.parts = []
        for some, columns in _cuts(self.rows, self.outputs, LANES // self.lanes, self.dtype):
            tables = [np.pad(table[some], (0, TALLEST), mode="edge") for table in (rows, targets + columns[0])]
            self.parts.append(Part(tables[0], tables[1], columns))

    def __call__(self, images: HostArray, gy: HostArray) -> HostArray:
        """Return the gradient, of W's shape, from enclosed images and gy (N, *out, O)."""
        from kusari_numpy.compiled.gradient import filter_gradient
        from kusari_numpy.compiled.vectors import TALLEST

        gradient = aligned_zeros((self.lanes, self.groups, self.rows, self.padded), self.dtype)
        x, g = images.reshape(-1), gy.reshape(-1)

        def work(piece: int) -> None:
            lane, part = divmod(piece, len(self.parts))
            rows, targets, (left, right) = self.parts[part]
            of_lane = self.runs[lane * len(self.runs) // self.lanes : (lane + 1) * len(self.runs) // self.lanes]
            if len(of_lane) == 0:
                return
            pixels = self.per_block * int(of_lane[:, 2].max())
            scratch = gradient_scratch(pixels, are_close(self.steps[0]), right - left, self.dtype)
            for group in range(self.groups):
                lines = of_lane + np.array([group * self.step, group * self.outputs + left, 0])
                total = gradient[lane, group].reshape(-1)
                operands = (x, rows, len(rows) - TALLEST, g, lines, self.steps, total, targets, right - left)
                filter_gradient(*operands, self.per_block, False, *scratch)

        pool().run(work, self.lanes * len(self.parts))
        summed = gradient[0] if self.lanes == 1 else gradient.sum(axis=0)
        return transposed(np.ascontiguousarray(summed[..., : self.outputs])).reshape(self.shape)


def _cuts(rows: int, outputs: int, parts: int, dtype: np.dtype[Any]) -> list[tuple[slice, tuple[int, int]]]:
    """Return parts of a gradient, as a range of rows and one of columns: the longer side is cut, at whole panels."""
    from kusari_numpy.compiled.vectors import WIDEST, whole

    if outputs <= rows:
        parts = min(parts, rows)
        return [(slice(rows * i // parts, rows * (i + 1) // parts), (0, outputs)) for i in range(parts)]
    panel = whole(1, dtype) * WIDEST
    panels = -(-outputs // panel)
    parts = min(parts, panels)
    edges = [min(outputs, panels * i // parts * panel) for i in range(parts + 1)]
    return [(slice(rows), (edges[i], edges[i + 1])) for i in range(parts)]


def pixels_at_once(outputs: int) -> int:
    """Return how many pixels of gy go by for all rows of the filters' gradient before the next ones."""
    return min(512, max(64, HELD // outputs))


def are_close(step: int) -> bool:
    """Tell whether pixels so far apart are read as they lie in memory; else they are packed first."""
    return step < CLOSE


def gradient_scratch(pixels: int, as_it_is: bool, outputs: int, dtype: np.dtype[Any]) -> tuple[HostArray, HostArray]:
    """Return scratch memory for blocks of so many pixels of gy and of x; none for x that is read as it is."""
    from kusari_numpy.compiled.panels import ROWS
    from kusari_numpy.compiled.vectors import whole

    turned = 0 if as_it_is else ROWS * (pixels + 2 * whole(1, dtype))
    return workspace("gradients", (pixels * whole(outputs, dtype),), dtype), workspace("turned", (turned,), dtype)
