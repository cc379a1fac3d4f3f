"""Which convolutions go by Winograd's transforms."""

from __future__ import annotations

import os
from typing import Final

import numpy as np

from kusari.backend import Backend
from kusari.kernels.conv import ConvolutionProblem
from kusari_numpy.convolution.winograd_sweep import Tiling

ENVIRONMENT_VARIABLE: Final = "KUSARI_WINOGRAD"
"""0: convolve all windows directly, which is slower and exact to the last digits."""


def transforms_wanted(backend: Backend) -> bool | str:
    """Return True, or why all windows are convolved directly."""
    if os.environ.get(ENVIRONMENT_VARIABLE) == "0":
        return f"switched off by {ENVIRONMENT_VARIABLE}=0"
    return True


def has_transforms(problem: ConvolutionProblem, channels: int, tiles: int) -> bool | str:
    """Tell whether the transforms take a Problem, or why not.

    Args:
        problem: The convolution.
        channels: With fewer, in or out, the transforms cost more than the products that they save.
        tiles: With fewer, those of filters do.
    """
    window = problem.window
    if window.size not in ((3, 3), (5, 5)) or (window.stride, window.dilate) != ((1, 1), (1, 1)):
        return f"{window}; it needs 3×3 or 5×5, stride 1, dilate 1"
    if max(window.pad) >= window.size[0]:
        return f"pad {window.pad}: some windows would see nothing of the image"
    if problem.dtype != np.float32:
        return f"loses too many digits for {problem.dtype}"
    if problem.groups != 1 or problem.cover_all:
        return "groups and cover_all are not written for it"
    if min(problem.W[:2]) < channels:
        return f"{min(problem.W[:2])} channels; pays from {channels}"
    if 0 in problem.y or 0 in problem.x or min(problem.out_shape) < 4:
        return "the output is smaller than a tile"
    found = there(problem).count(problem.x[0])
    return found >= tiles or f"{found} tiles, and the filters' transforms pay from {tiles}"


def there(problem: ConvolutionProblem) -> Tiling:
    """Return how y is cut."""
    window = problem.window
    return Tiling.of(window.size[0], problem.out_shape, (window.pad[0], window.pad[1]))


def back(problem: ConvolutionProblem) -> Tiling:
    """Return how the gradient of x is cut."""
    edge, (high, wide) = problem.window.size[0], problem.window.pad
    return Tiling.of(edge, problem.x[2:], (edge - 1 - high, edge - 1 - wide))
