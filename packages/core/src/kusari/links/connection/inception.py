"""Inception module."""

from __future__ import annotations

from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.links.connection.convolution_2d import Convolution2D
from kusari.model import Chain


class Inception(Chain):
    """Convolve images at several scales side by side.

    The outputs of four branches, joined along the channels, then ReLU: a 1×1 convolution; a 1×1 and a 3×3 one; a 1×1
    and a 5×5 one; max pooling over 3×3 and a 1×1 convolution.

    Args:
        in_channels: C; None: read off the first input.
        out1: Channels of the first branch.
        proj3: Channels between the convolutions of the second.
        out3: Channels of the second.
        proj5: Channels between the convolutions of the third.
        out5: Channels of the third.
        proj_pool: Channels of the fourth.
        conv_init: Initializer for all filters; None: LeCunNormal.
        bias_init: The same for all biases; None: zeros.

    Source: Szegedy et al., 2014, arXiv:1409.4842.

    >>> Inception(3, 1, 2, 3, 4, 5, 6)(np.ones((2, 3, 5, 5), "f")).shape
    (2, 15, 5, 5)
    """

    conv1: Convolution2D
    proj3: Convolution2D
    conv3: Convolution2D
    proj5: Convolution2D
    conv5: Convolution2D
    projp: Convolution2D

    def __init__(
        self,
        in_channels: int | None,
        out1: int,
        proj3: int,
        out3: int,
        proj5: int,
        out5: int,
        proj_pool: int,
        conv_init: Any = None,
        bias_init: Any = None,
    ) -> None:
        super().__init__()
        inits = {"initialW": conv_init, "initial_bias": bias_init}
        with self.init_scope():
            self.conv1 = Convolution2D(in_channels, out1, 1, **inits)
            self.proj3 = Convolution2D(in_channels, proj3, 1, **inits)
            self.conv3 = Convolution2D(proj3, out3, 3, pad=1, **inits)
            self.proj5 = Convolution2D(in_channels, proj5, 1, **inits)
            self.conv5 = Convolution2D(proj5, out5, 5, pad=2, **inits)
            self.projp = Convolution2D(in_channels, proj_pool, 1, **inits)

    def forward(self, x: VariableLike) -> Variable:
        """Return y (N, out1 + out3 + out5 + proj_pool, H, W) of x (N, C, H, W)."""
        branches = (
            self.conv1(x),
            self.conv3(self.proj3(x, activation=F.relu)),
            self.conv5(self.proj5(x, activation=F.relu)),
            self.projp(F.max_pooling_2d(x, 3, stride=1, pad=1)),
        )
        return F.relu(F.concat(branches, axis=1))
