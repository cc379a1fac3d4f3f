"""2-D transposed convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import refuse_keywords
from kusari.functions.connection.convolution_2d import GONE, Deconvolution2DFunction
from kusari.functions.connection.convolution_nd import make_window
from kusari.functions.connection.deconvolution_nd import deconvolve


def deconvolution_2d(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    outsize: int | Sequence[int] | None = None,
    *,
    dilate: int | Sequence[int] = 1,
    groups: int = 1,
    **keywords: Any,
) -> Variable:
    """Apply the transpose of a convolution to images (N, C, H, W).

    y[n, o, p, r] = b[o] + Σ x[n, c, i, j] W[c, o, k, l] over all with p = i·s + k·d − pad, r = j·s + l·d − pad.

    Args:
        x: (N, C, H, W).
        W: (C, O / groups, kh, kw): the filters of the convolution from y's shape to x's.
        b: (O,), or None.
        stride: Steps between windows, in y; one number or (vertical, horizontal). Likewise ``pad`` and ``dilate``.
        pad: What is cut off around the image.
        outsize: (H', W'); None: the formula below. It may differ from that by less than ``stride``.
        dilate: Steps between a window's pixels.
        groups: Channels are split into so many groups, each with filters of its own.
        **keywords: The old ``deterministic`` is refused with advice.

    Returns:
        (N, O, H', W'), H' = stride(H − 1) + dilate(kh − 1) + 1 − 2·pad.

    Raises:
        InvalidType: Ranks, channels, dtypes or an ``outsize`` that do not fit, or an empty output.
        ValueError: A stride, pad, dilate or outsize of another length, or out of range; ``deterministic``.

    >>> deconvolution_2d(np.ones((1, 1, 2, 2), "f"), np.ones((1, 1, 2, 2), "f")).array
    array([[[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]]], dtype=float32)
    """
    if keywords:
        refuse_keywords("deconvolution_2d", keywords, GONE)
    filters = as_variable(W)
    window = make_window(filters, stride, pad, dilate)
    return deconvolve(Deconvolution2DFunction, x, filters, b, window, outsize, groups)
