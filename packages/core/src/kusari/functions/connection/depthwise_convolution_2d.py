"""2-D convolution of each channel by itself."""

from __future__ import annotations

from collections.abc import Sequence

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType
from kusari.functions.connection.convolution_2d import convolution_2d


def depthwise_convolution_2d(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
) -> Variable:
    """Convolve each channel of images with filters of its own.

    y[n, c·M + m] = b[c·M + m] + x[n, c] ⋆ W[m, c], for M filters a channel.

    Args:
        x: (N, C, H, W).
        W: (M, C, kh, kw).
        b: (C·M,), or None.
        stride: Steps between windows; one number or (vertical, horizontal). Likewise ``pad``.
        pad: Zeros around the image.

    Returns:
        (N, C·M, H', W'), H' = ⌊(H + 2·pad − kh) / stride⌋ + 1.

    Raises:
        InvalidType: Ranks, channels or dtypes that do not fit, or an empty output.
        ValueError: A stride or pad of another length, or out of range.

    Source: Sifre, 2014, "Rigid-motion scattering for image classification"; Chollet, 2017, arXiv:1610.02357.

    >>> x = np.asarray([1.0, 2.0], "f").reshape(1, 2, 1, 1)
    >>> W = np.asarray([[1.0, 1.0], [10.0, 100.0]], "f").reshape(2, 2, 1, 1)
    >>> depthwise_convolution_2d(x, W).array.reshape(-1)
    array([  1.,  10.,   2., 200.], dtype=float32)
    """
    filters = as_variable(W)
    if filters.ndim != 4:
        raise InvalidType("W.ndim == 4", f"W of shape {filters.shape}")
    multiplier, channels, *size = filters.shape
    filters = filters.transpose(1, 0, 2, 3).reshape(channels * multiplier, 1, *size)
    return convolution_2d(x, filters, b, stride, pad, groups=channels)
