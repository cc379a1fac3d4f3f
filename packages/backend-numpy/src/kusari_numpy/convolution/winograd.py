"""Convolution with 3×3 and 5×5 windows by Winograd's transforms: a quarter or a third of the products, good to 1e-5."""

from __future__ import annotations

from typing import Final

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
from kusari_numpy.convolution.winograd_problem import back, has_transforms, there, transforms_wanted
from kusari_numpy.convolution.winograd_sweep import Tiling, are_few, convolve, convolve_by_panels

SMALLEST: Final = 16
"""With fewer channels, in or out, the transforms cost more than the products that they save."""
FEWEST: Final = 16
"""With fewer tiles, those of filters do: a 7×7 image of 512 channels, forward and back, takes 28 ms, directly 21."""


def winograd_wanted(backend: Backend) -> bool | str:
    """Return True, or why all windows are convolved directly."""
    wanted = transforms_wanted(backend)
    return compiled_available(backend) if wanted is True else wanted


class WinogradConvolution(ChannelsLastConvolution):
    """Y = Aᵀ[(G w Gᵀ) ∘ (Bᵀ X B)]A for each 4×4 or 2×2 tile of y; 36 matrix products for many tiles at once.

    Source: Lavin & Gray, Fast Algorithms for Convolutional Neural Networks (2016).
    """

    contract = 1

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take 3×3 and 5×5 windows on float32, one group, with enough channels and pixels."""
        return has_transforms(problem, SMALLEST, FEWEST)

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, H, W)."""
        activation, out = self.problem.activation, self.problem.out_shape
        y = self._convolve(x, W, THERE, (b, W.shape[0]), there(self.problem), out, activation == RELU)
        activate(self.backend, y, activation)
        return channels_first_view(y, out)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x: gy convolved with mirrored filters."""
        spatial, channels = self.problem.x[2:], (None, W.shape[1])
        return channels_first_view(self._convolve(gy, W, BACK, channels, back(self.problem), spatial, False), spatial)

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
        return filter_gradient(_image(x), _image(gy), there(self.problem), self.problem.W)

    def grad_bias(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of b."""
        return sum_pixels(channels_last(gy))


def _image(x: HostArray) -> HostArray:
    """Return (N, C, H, W) as (N, H, W, C)."""
    return channels_last(x)[:, 0]
