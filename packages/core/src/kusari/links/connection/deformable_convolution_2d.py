"""2-D convolution layer whose pixels are moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import per_axis
from kusari.links.connection.convolution_2d import Convolution2D
from kusari.model import Chain


class DeformableConvolution2D(Chain):
    """Convolve images with filters of its own whose pixels are moved, at each place by offsets of its own.

    The offsets are made by a convolution, ``offset_conv``; then `kusari.functions.deformable_convolution_2d_sampler`.

    Args:
        in_channels: C; None: read off the first input.
        out_channels: O.
        ksize: The window's size; one number or (vertical, horizontal).
        stride: Steps between windows.
        pad: Zeros around the image.
        offset_nobias: Leave the offsets' biases out.
        offset_initialW: Initializer, array or number for the offsets' filters (2·kh·kw, C, kh, kw); None: LeCunNormal.
        offset_initial_bias: The same for the offsets' biases; None: zeros.
        deform_nobias: Leave b out.
        deform_initialW: The same for W (O, C, kh, kw); None: LeCunNormal.
        deform_initial_bias: The same for b (O,); None: zeros.

    Raises:
        ValueError: A window argument out of range.

    Source: Dai et al., 2017, "Deformable convolutional networks", arXiv:1703.06211.

    >>> DeformableConvolution2D(3, 8, ksize=3, pad=1)(np.ones((2, 3, 5, 5), "f")).shape
    (2, 8, 5, 5)
    """

    offset_conv: Convolution2D
    deform_conv: DeformableConvolution2DSampler

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        ksize: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        offset_nobias: bool = False,
        offset_initialW: Any = None,
        offset_initial_bias: Any = None,
        deform_nobias: bool = False,
        deform_initialW: Any = None,
        deform_initial_bias: Any = None,
    ) -> None:
        super().__init__()
        height, width = per_axis("ksize", ksize, 2, at_least=1)
        window = (ksize, stride, pad)
        offsets = (offset_nobias, offset_initialW, offset_initial_bias)
        filters = (deform_nobias, deform_initialW, deform_initial_bias)
        with self.init_scope():
            self.offset_conv = Convolution2D(in_channels, 2 * height * width, *window, *offsets)
            self.deform_conv = DeformableConvolution2DSampler(in_channels, out_channels, *window, *filters)

    def forward(self, x: VariableLike) -> Variable:
        """Return y (N, O, H', W') of x (N, C, H, W)."""
        made: Variable = self.deform_conv(x, self.offset_conv(x))
        return made


class DeformableConvolution2DSampler(Convolution2D):
    """The filters of `DeformableConvolution2D`: a convolution that is given its pixels' offsets.

    >>> layer = DeformableConvolution2DSampler(3, 8, ksize=1)
    >>> layer(np.ones((2, 3, 5, 5), "f"), np.zeros((2, 2, 5, 5), "f")).shape
    (2, 8, 5, 5)
    """

    def forward(self, x: VariableLike, offset: VariableLike) -> Variable:  # type: ignore[override]
        """Return y (N, O, H', W') of x (N, C, H, W) and offsets (N, 2·kh·kw, H', W')."""
        x = as_variable(x)
        if self.W.array is None:
            self._initialize(x.shape[1])
        return F.deformable_convolution_2d_sampler(x, offset, self.W, self.b, self.stride, self.pad)
