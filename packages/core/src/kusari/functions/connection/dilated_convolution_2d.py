"""2-D convolution with gaps in its window."""

from __future__ import annotations

from collections.abc import Sequence

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.connection.convolution_2d import convolution_2d


def dilated_convolution_2d(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    dilate: int | Sequence[int] = 1,
    cover_all: bool = False,
) -> Variable:
    """Convolve images with filters whose pixels lie ``dilate`` apart.

    `convolution_2d` with the same arguments in another order; errors are its.

    >>> x = np.arange(5, dtype="f").reshape(1, 1, 1, 5)
    >>> dilated_convolution_2d(x, np.ones((1, 1, 1, 2), "f"), dilate=2).array
    array([[[[2., 4., 6.]]]], dtype=float32)
    """
    return convolution_2d(x, W, b, stride, pad, cover_all, dilate=dilate)
