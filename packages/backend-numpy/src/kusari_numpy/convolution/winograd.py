"""Convolution with 3×3 and 5×5 windows by Winograd's transforms: a quarter or a third of the products, good to 1e-5."""

from __future__ import annotations

import os
from typing import Final

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import ConvolutionProblem
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution.channels_last import (
    ChannelsLastConvolution,
    HostArray,
    channels_first_view,
    channels_last,
)
from kusari_numpy.convolution.direct import sum_pixels
from kusari_numpy.convolution.epilogue import activate
from kusari_numpy.convolution.winograd_filters import BACK, THERE, Direction
from kusari_numpy.convolution.winograd_gradient import filter_gradient
from kusari_numpy.convolution.winograd_sweep import Tiling, are_few, convolve, convolve_by_panels

ENVIRONMENT_VARIABLE: Final = "KUSARI_WINOGRAD"
"""0: convolve all windows directly, which is slower and exact to the last digits."""
SMALLEST: Final = 16
"""With fewer channels, in or out, the transforms cost more than the products that they save."""
FEWEST: Final = 16
"""With fewer tiles, those of filters do: a 7×7 image of 512 channels, forward and back, takes 28 ms, directly 21."""


def winograd_wanted(backend: Backend) -> bool | str:
    """Return True, or why all windows are convolved directly."""
    if os.environ.get(ENVIRONMENT_VARIABLE) == "0":
        return f"switched off by {ENVIRONMENT_VARIABLE}=0"
    return compiled_available(backend)


class WinogradConvolution(ChannelsLastConvolution):
    """Y = Aᵀ[(G w Gᵀ) ∘ (Bᵀ X B)]A for each 4×4 or 2×2 tile of y; 36 matrix products for many tiles at once.

    Source: Lavin & Gray, Fast Algorithms for Convolutional Neural Networks (2016).
    """

    contract = 1

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take 3×3 and 5×5 windows on float32, one group, with enough channels and pixels."""
        window = problem.window
        if window.size not in ((3, 3), (5, 5)) or (window.stride, window.dilate) != ((1, 1), (1, 1)):
            return f"{window}; it needs 3×3 or 5×5, stride 1, dilate 1"
        if max(window.pad) >= window.size[0]:
            return f"pad {window.pad}: some windows would see nothing of the image"
        if problem.dtype != np.float32:
            return f"loses too many digits for {problem.dtype}"
        if problem.groups != 1 or problem.cover_all:
            return "groups and cover_all are not written for it"
        if min(problem.W[:2]) < SMALLEST:
            return f"{min(problem.W[:2])} channels; pays from {SMALLEST}"
        if 0 in problem.y or 0 in problem.x or min(problem.out_shape) < 4:
            return "the output is smaller than a tile"
        tiles = Tiling.of(window.size[0], problem.out_shape, (0, 0)).count(problem.x[0])
        if tiles < FEWEST:
            return f"{tiles} tiles, and the filters' transforms pay from {FEWEST}"
        return True

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, H, W)."""
        activation, out = self.problem.activation, self.problem.out_shape
        y = self._convolve(x, W, THERE, (b, W.shape[0]), self._tiling, out, activation == RELU)
        activate(self.backend, y, activation)
        return channels_first_view(y, out)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x: gy convolved with mirrored filters."""
        edge, (high, wide), spatial = W.shape[2], self.problem.window.pad, self.problem.x[2:]
        tiling = Tiling.of(edge, spatial, (edge - 1 - high, edge - 1 - wide))
        return channels_first_view(self._convolve(gy, W, BACK, (None, W.shape[1]), tiling, spatial, False), spatial)

    def _convolve(
        self,
        x: HostArray,
        W: HostArray,
        direction: Direction,
        channels: tuple[HostArray | None, int],
        tiling: Tiling,
        out: tuple[int, ...],
        rectify: bool,
    ) -> HostArray:
        """Return (N, *out, O); ``channels``: (bias, O)."""
        if are_few(tiling.count(len(x)), *W.shape[:2]):
            return convolve_by_panels(_image(x), direction.windows(W), channels, tiling, out, rectify)
        U = self.backend.derived(W, direction.key, direction.transformed, direction.transformed_once)
        return convolve(_image(x), U, channels, tiling, out, rectify)

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W: gU = Σ Vᵀ (A g Aᵀ), gW = Gᵀ gU G."""
        return filter_gradient(_image(x), _image(gy), self._tiling, self.problem.W)

    @property
    def _tiling(self) -> Tiling:
        """How y is cut."""
        window = self.problem.window
        return Tiling.of(window.size[0], self.problem.out_shape, (window.pad[0], window.pad[1]))

    def grad_bias(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of b."""
        return sum_pixels(channels_last(gy))


def _image(x: HostArray) -> HostArray:
    """Return (N, C, H, W) as (N, H, W, C)."""
    return channels_last(x)[:, 0]
