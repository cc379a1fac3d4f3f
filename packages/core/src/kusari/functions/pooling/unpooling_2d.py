"""2-D unpooling."""

from __future__ import annotations

from collections.abc import Sequence

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.functions.pooling.unpooling_nd import Unpooling2D, unpool


def unpooling_2d(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    outsize: int | Sequence[int] | None = None,
    cover_all: bool = True,
) -> Variable:
    """Spread each value of images (N, C, H, W) over the window that a pooling would take it from.

    Arguments and errors are those of `unpooling_nd`.

    >>> unpooling_2d(np.asarray([[[[1.0, 2.0]]]]), 2, cover_all=False).array
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    """
    return unpool(Unpooling2D, as_variable(x), ksize, stride, pad, outsize, cover_all)
