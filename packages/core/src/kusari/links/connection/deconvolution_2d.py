"""2-D transposed convolution layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.links.connection.deconvolution_nd import DeconvolutionND


class Deconvolution2D(DeconvolutionND):
    """Apply the transpose of a convolution of images, with filters of its own.

    Args:
        in_channels: C; None: read off the first input.
        out_channels: O.
        ksize: The window's size; one number or (vertical, horizontal). With it omitted, the arguments before it are
            taken as (out_channels, ksize) and C is read off the first input.
        stride: Steps between windows, in the output.
        pad: What is cut off before and after each axis.
        nobias: Leave b out.
        outsize: The output's height and width; None: the smallest that a convolution leads back from.
        initialW: Initializer, array or number for W (C, O / groups, kh, kw); None: LeCunNormal.
        initial_bias: The same for b (O,); None: zeros.
        dilate: Steps between a window's pixels.
        groups: Channels are split into so many groups.

    Raises:
        TypeError: No output channels or no window.
        ValueError: Channels that ``groups`` does not divide, or a window argument out of range.

    >>> layer = Deconvolution2D(3, 8, ksize=4, stride=2, pad=1)
    >>> layer(np.ones((2, 3, 5, 4), "f")).shape
    (2, 8, 10, 8)
    """

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        ksize: int | Sequence[int] | None = None,
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        nobias: bool = False,
        outsize: int | Sequence[int] | None = None,
        initialW: Any = None,
        initial_bias: Any = None,
        *,
        dilate: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(
            2, in_channels, out_channels, ksize, stride, pad, nobias, outsize, initialW, initial_bias, dilate, groups
        )

    def forward(self, x: VariableLike) -> Variable:
        """Return y of x (N, C, H, W), as `kusari.functions.deconvolution_2d` does."""
        x = self._ready(x)
        return F.deconvolution_2d(
            x, self.W, self.b, self.stride, self.pad, self.outsize, dilate=self.dilate, groups=self.groups
        )
