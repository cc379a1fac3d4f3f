"""The gradient of filters with output channels as rows, cut into pieces of work."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from kusari.kernels.conv import ConvolutionProblem
from kusari_numpy.convolution.channels_last import HostArray, transposed
from kusari_numpy.convolution.gradient import LANES, are_close
from kusari_numpy.convolution.passes import Passes, Three
from kusari_numpy.convolution.places import Seen, pixel_runs, side_by_side, source, tap_places
from kusari_numpy.pieces import Range, ranges
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, workspace

PIXELS: Final = 96
"""That go by for all rows of the gradient before the next ones: a panel of them stays in the L1 cache."""
FAR: Final = 128
"""Channels, above which pixels of an image drive each other out of the L1 cache where they lie, and are packed:
256 to 256 channels take 2.7 ms as they lie, and 2.2 packed; 128 to 128, 3×3, 17 and 20."""
WIDE: Final = 128
"""Output channels, from which on the pixels of gy are packed likewise."""
LARGEST: Final = 2**18
"""Numbers of a gradient, which stay in cache while pixels go by: 1 MiB of float32. 256 to 512 channels, 3×3, take 1.1
of the time of `FilterGradient`, and 64 to 256 channels 0.8."""
SHORT: Final = 8
"""Pixels of a line; the loops over shorter ones are begun too often."""
TURNED: Final = 3
"""Products of a vector that take as long as turning a number of x, which `FilterGradient` does and this does not."""

Part = tuple[Range, Range]
"""Output channels, and panels of the taps' channels."""


class GradientByOutputs:
    """The gradient of filters: what of it does not depend on numbers."""

    def __init__(self, problem: ConvolutionProblem, passes: Passes, size: Three) -> None:
        from kusari_numpy.compiled.vectors import WIDEST, whole

        self.shape, self.groups, self.dtype, one = problem.W, problem.groups, problem.dtype, passes.passes[0]
        self.inputs, self.outputs = problem.W[1], problem.W[0] // problem.groups
        seen, self.step = Seen.of(passes, problem.x[0], problem.x[1], self.groups)
        gy = (problem.x[0], *size, problem.W[0])
        # Taps side by side in memory are one, of more channels: fewer of its vectors are in part empty.
        together = side_by_side(one.axes[2])
        self.reach = self.inputs * together
        self.taps = np.array(tap_places(one, seen))[::together]
        self.runs, self.steps = pixel_runs(source(one, passes, seen), gy, PIXELS)
        self.per_block = max(1, PIXELS // int(self.runs[0, 2]))
        self.width = whole(1, self.dtype) * WIDEST
        panels = len(self.taps) * -(-self.reach // self.width)
        # Lanes of images read everything once, and write the gradient four times; parts of it the other way round.
        few = 4 * math.prod(self.shape) <= math.prod(seen) + math.prod(gy)
        self.lanes = min(LANES, len(self.runs)) if few else 1
        self.parts = np.array(_cut(self.outputs, panels, LANES // self.lanes)).reshape(-1, 4)
        longest = int(self.runs[:, 2].max())
        pixels = self.per_block * longest if self.inputs > FAR or longest < SHORT else 0
        rows = self.outputs + whole(1, self.dtype) if pixels and self.outputs >= WIDE else 0
        self.scratch = pixels * self.width, whole(pixels * rows, self.dtype)

    def __call__(self, images: HostArray, gy: HostArray) -> HostArray:
        """Return the gradient, of W's shape, from enclosed images and gy (N, *out, O)."""
        from kusari_numpy.compiled.gradient_by_outputs import gradients_in_turns

        numbers = len(self.taps) * self.reach * self.outputs
        total = aligned_empty((self.groups * numbers,), self.dtype)
        lanes = total if self.lanes == 1 else aligned_empty((self.lanes, len(total)), self.dtype)
        gradients = lanes.reshape(self.lanes, self.groups, numbers)
        threads = pool().sharing(self.lanes * len(self.parts))
        packed, apart = (
            workspace(slot, (threads, size), self.dtype)
            for slot, size in zip(("panel", "rows"), self.scratch, strict=True)
        )
        seen = images.reshape(-1), self.taps, self.reach
        made = gy.reshape(-1), self.runs, self.steps, gradients, self.parts, self.per_block, packed, apart
        pool().take_turns(gradients_in_turns, (*seen, *made, (self.step, self.outputs), total), threads)
        by_taps = total.reshape(self.shape[0], -1, self.inputs)
        return (by_taps if by_taps.shape[1] == 1 else transposed(by_taps)).reshape(self.shape)


def is_by_outputs(problem: ConvolutionProblem, passes: Passes) -> bool:
    """Tell whether a gradient takes less with output channels as rows: no turning, but tiles that may be less full."""
    taps, inputs, outputs = math.prod(problem.window.size), problem.W[1], problem.W[0] // problem.groups
    if taps * inputs * outputs > LARGEST:
        return False
    axis = passes.passes[0].axes[2]
    turned = (
        0
        if are_close(axis.step * Seen.of(passes, 1, problem.x[1], problem.groups).shape[-1])
        else TURNED * inputs * taps
    )
    together = side_by_side(axis)
    by_outputs = taps // together * products(outputs, together * inputs, problem.dtype)
    return by_outputs <= products(inputs * taps, outputs, problem.dtype) + turned


def products(rows: int, columns: int, dtype: np.dtype[Any]) -> int:
    """Return how many products of a vector the tiles of a matrix take for each number of the sums."""
    from kusari_numpy.compiled.vectors import REGISTERS, WIDEST, whole

    panels, rest = divmod(whole(columns, dtype) // whole(1, dtype), WIDEST)
    widths = [WIDEST] * panels + [rest] * (rest > 0)
    return sum(-(-rows // height) * height * width for width in widths for height in [REGISTERS.rows[width - 1]])


def _cut(outputs: int, panels: int, parts: int) -> list[Part]:
    """Return parts of a gradient: of its panels where there are enough, else of its rows."""
    if panels >= parts:
        return [((0, outputs), some) for some in ranges(panels, parts)]
    return [(some, (0, panels)) for some in ranges(outputs, parts)]
