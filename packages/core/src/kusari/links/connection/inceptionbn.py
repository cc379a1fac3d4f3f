"""Inception module with batch normalization."""

from __future__ import annotations

from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.dtypes import DTypeLike
from kusari.links.connection.convolution_2d import Convolution2D
from kusari.links.normalization.batch_normalization import BatchNormalization
from kusari.model import Chain


class InceptionBN(Chain):
    """Convolve images at several scales side by side, each convolution followed by batch normalization and ReLU.

    The outputs of up to four branches, joined along the channels: a 1×1 convolution; a 1×1 and a 3×3 one; a 1×1 and
    two 3×3 ones; pooling over 3×3, and a 1×1 convolution.

    Args:
        in_channels: C; None: read off the first input.
        out1: Channels of the first branch; 0: there is none.
        proj3: Channels between the convolutions of the second.
        out3: Channels of the second.
        proj33: Channels behind the first convolution of the third.
        out33: Channels of the third.
        pooltype: ``max`` or ``avg``.
        proj_pool: Channels of the fourth; None: no convolution behind the pooling.
        stride: Of the last 3×3 convolutions and of the pooling.
        conv_init: Initializer for all filters; None: LeCunNormal.
        dtype: Of the normalizations' parameters and statistics; None: ``config.dtype``.

    Raises:
        ValueError: A first branch with a stride or without ``proj_pool``.
        NotImplementedError: Another ``pooltype``.

    Source: Ioffe, Szegedy, 2015, arXiv:1502.03167.

    >>> InceptionBN(3, 1, 2, 3, 4, 5, "avg", 6)(np.ones((2, 3, 5, 5), "f")).shape
    (2, 15, 5, 5)
    """

    def __init__(
        self,
        in_channels: int | None,
        out1: int,
        proj3: int,
        out3: int,
        proj33: int,
        out33: int,
        pooltype: str,
        proj_pool: int | None = None,
        stride: int = 1,
        conv_init: Any = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        if pooltype not in ("max", "avg"):
            raise NotImplementedError(f"InceptionBN(pooltype={pooltype!r}): expected 'max' or 'avg'")
        if out1 > 0 and (stride != 1 or proj_pool is None):
            raise ValueError(
                f"InceptionBN(out1={out1}, stride={stride}, proj_pool={proj_pool}): a 1×1 branch takes stride=1 and a "
                "proj_pool; set out1=0 to leave it out"
            )
        self.out1 = out1
        self.proj_pool = proj_pool
        self.stride = stride
        self.pooltype = pooltype
        layers = [
            ("proj3", in_channels, proj3, 1, 1),
            ("conv3", proj3, out3, 3, stride),
            ("proj33", in_channels, proj33, 1, 1),
            ("conv33a", proj33, out33, 3, 1),
            ("conv33b", out33, out33, 3, stride),
        ]
        if out1 > 0:
            layers.append(("conv1", in_channels, out1, 1, 1))
        if proj_pool is not None:
            layers.append(("poolp", in_channels, proj_pool, 1, 1))
        with self.init_scope():
            for name, inside, outside, ksize, step in layers:
                conv = Convolution2D(inside, outside, ksize, step, ksize // 2, nobias=True, initialW=conv_init)
                setattr(self, name, conv)
                setattr(self, f"{name}n", BatchNormalization(outside, dtype=dtype))

    def forward(self, x: VariableLike) -> Variable:
        """Return y (N, out1 + out3 + out33 + proj_pool, H', W') of x (N, C, H, W); C channels without proj_pool."""
        branches = [self._run(x, "conv1")] if self.out1 > 0 else []
        branches.append(self._run(x, "proj3", "conv3"))
        branches.append(self._run(x, "proj33", "conv33a", "conv33b"))
        branches.append(self._run(self._pool(x), *(() if self.proj_pool is None else ("poolp",))))
        return F.concat(branches, axis=1)

    def _pool(self, x: VariableLike) -> Variable:
        if self.pooltype == "max":
            largest: Variable = F.max_pooling_2d(x, 3, self.stride, 1, cover_all=False)
            return largest
        return F.average_pooling_2d(x, 3, self.stride, 1)

    def _run(self, x: VariableLike, *names: str) -> Any:
        """Return x behind convolutions, each with its normalization and ReLU."""
        for name in names:
            x = self[f"{name}n"](self[name](x), activation=F.relu)
        return x
