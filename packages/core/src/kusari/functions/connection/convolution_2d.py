"""2-D convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import refuse_keywords
from kusari.functions.connection.convolution_nd import (
    ConvolutionGradInput,
    ConvolutionGradWeight,
    ConvolutionND,
    convolve,
    make_window,
)
from kusari.functions.fused import ActivationLike

GONE: Final = {"deterministic": "use using_config('cudnn_deterministic', ...)"}
"""Keywords of old programs."""


class Convolution2DFunction(ConvolutionND):
    """y = activation(x ⋆ W + b) over two axes."""


class Deconvolution2DFunction(ConvolutionGradInput):
    """The gradient of a 2-D convolution's x; the transposed convolution."""


class Convolution2DGradW(ConvolutionGradWeight):
    """The gradient of a 2-D convolution's filters."""


for _node in (Convolution2DFunction, Deconvolution2DFunction, Convolution2DGradW):
    _node.forward_node = Convolution2DFunction
    _node.grad_input_node = Deconvolution2DFunction
    _node.grad_weight_node = Convolution2DGradW


def convolution_2d(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    cover_all: bool = False,
    *,
    dilate: int | Sequence[int] = 1,
    groups: int = 1,
    activation: ActivationLike = None,
    **keywords: Any,
) -> Variable:
    """Convolve images with filters (cross-correlation: filters are not flipped).

    y[n, o, i, j] = activation(b[o] + Σ_{c, k, l} x[n, c, i·s + k·d − p, j·s + l·d − p] W[o, c, k, l]).

    Args:
        x: (N, C, H, W).
        W: (O, C / groups, kh, kw).
        b: (O,), or None.
        stride: Steps between windows; one number or (vertical, horizontal). Likewise ``pad`` and ``dilate``.
        pad: Zeros around the image.
        cover_all: Let the last window hang over the edge, so that every pixel is seen.
        dilate: Steps between a window's pixels.
        groups: Channels are split into so many groups, each with filters of its own.
        activation: A function applied to the result, in the same kernel where the backend can.
        **keywords: The old ``deterministic`` is refused with advice.

    Returns:
        (N, O, H', W'), H' = ⌊(H + 2·pad − dilate(kh − 1) − 1) / stride⌋ + 1.

    Raises:
        InvalidType: Ranks, channels or dtypes that do not fit, or an empty output.
        ValueError: A stride, pad or dilate of another length, or out of range; ``deterministic``.

    >>> x = np.arange(16, dtype="f").reshape(1, 1, 4, 4)
    >>> convolution_2d(x, np.ones((1, 1, 3, 3), "f"), stride=1, pad=0).array
    array([[[[45., 54.],
             [81., 90.]]]], dtype=float32)
    """
    if keywords:
        refuse_keywords("convolution_2d", keywords, GONE)
    filters = as_variable(W)
    window = make_window(filters, stride, pad, dilate)
    return convolve(Convolution2DFunction, x, filters, b, window, groups, cover_all, activation)
