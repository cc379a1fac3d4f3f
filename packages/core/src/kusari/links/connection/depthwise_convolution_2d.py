"""2-D convolution layer with filters for each channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import per_axis
from kusari.initializers import get_initializer
from kusari.model import Link


class DepthwiseConvolution2D(Link):
    """Convolve each channel of images with filters of its own.

    Args:
        in_channels: C; None: read off the first input.
        channel_multiplier: M: how many filters for each channel.
        ksize: The window's size; one number or (vertical, horizontal).
        stride: Steps between windows.
        pad: Zeros around the image.
        nobias: Leave b out.
        initialW: Initializer, array or number for W (M, C, kh, kw); None: LeCunNormal.
        initial_bias: The same for b (C·M,); None: zeros.

    Raises:
        ValueError: A window argument out of range.

    Source: Sifre, 2014, "Rigid-motion scattering for image classification"; Chollet, 2017, arXiv:1610.02357.

    >>> DepthwiseConvolution2D(3, 2, ksize=3)(np.ones((2, 3, 5, 5), "f")).shape
    (2, 6, 3, 3)
    """

    W: Parameter
    b: Parameter | None

    def __init__(
        self,
        in_channels: int | None,
        channel_multiplier: int,
        ksize: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        pad: int | Sequence[int] = 0,
        nobias: bool = False,
        initialW: Any = None,
        initial_bias: Any = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.channel_multiplier = channel_multiplier
        self.ksize = per_axis("ksize", ksize, 2, at_least=1)
        self.stride = per_axis("stride", stride, 2, at_least=1)
        self.pad = per_axis("pad", pad, 2, at_least=0)
        with self.init_scope():
            self.W = Parameter(get_initializer(initialW))
            self.b = None if nobias else Parameter(get_initializer(0 if initial_bias is None else initial_bias))
        if in_channels is not None:
            self._initialize(in_channels)

    def _initialize(self, in_channels: int) -> None:
        self.in_channels = in_channels
        if self.W.array is None:
            self.W.initialize((self.channel_multiplier, in_channels, *self.ksize))
        if self.b is not None and self.b.array is None:
            self.b.initialize(self.channel_multiplier * in_channels)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        for name in ("in_channels", "channel_multiplier", "ksize", "stride", "pad"):
            yield name, getattr(self, name)
        yield "nobias", self.b is None

    def forward(self, x: VariableLike) -> Variable:
        """Return y (N, C·M, H', W') of x (N, C, H, W), as `kusari.functions.depthwise_convolution_2d` does."""
        x = as_variable(x)
        if x.ndim > 1 and any(parameter.array is None for parameter in self.params()):
            self._initialize(x.shape[1])
        return F.depthwise_convolution_2d(x, self.W, self.b, self.stride, self.pad)
