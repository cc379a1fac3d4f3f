"""Transposed convolution over any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType
from kusari.functions.arguments import like, per_axis, require_spatial_axes
from kusari.functions.connection.convolution_nd import (
    ConvolutionGradInput,
    DeconvolutionND,
    make_window,
)
from kusari.kernels.window import Window, get_deconv_outsize
from kusari.types import Shape


def deconvolve(
    node: type[ConvolutionGradInput],
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None,
    window: Window,
    outsize: int | Sequence[int] | None,
    groups: int,
) -> Variable:
    """Apply a transposed convolution node, and cut its output to ``outsize``."""
    if groups < 1:
        raise ValueError(f"groups={groups}: expected at least 1")
    x = as_variable(x)
    # Where x and W differ in rank, the node's type check says so.
    lengths = zip(x.shape[2:], window.size, window.stride, window.pad, window.dilate, strict=False)
    regular = tuple([get_deconv_outsize(n, k, s, p, d=d) for n, k, s, p, d in lengths])
    wanted = regular if outsize is None else _read_outsize(outsize, regular, window)
    if min(wanted, default=1) < 1:
        raise InvalidType("an output of at least one pixel", f"{wanted}: pad less, or use a larger window")
    filters = like(x, W)
    if x.ndim == 0 or filters.ndim < 2:
        raise InvalidType("x (N, C, *spatial) and W (C, O, *window)", f"x {x.shape} and W {filters.shape}")
    computed = tuple([max(pair) for pair in zip(wanted, regular, strict=True)])
    shape = (x.shape[0], filters.shape[1] * groups, *computed)
    inputs = (x, filters) if b is None else (x, filters, like(x, b))
    (y,) = node(window, groups, False, shape).apply(inputs)
    return y if wanted == computed else y[(slice(None), slice(None), *map(slice, wanted))]


def _read_outsize(outsize: int | Sequence[int], regular: Shape, window: Window) -> Shape:
    """Return the output's spatial shape, one from which a convolution leads back to the input's."""
    wanted = per_axis("outsize", outsize, len(regular), at_least=1)
    for length, middle, stride in zip(wanted, regular, window.stride, strict=False):
        if not middle - stride < length < middle + stride:
            raise InvalidType(
                f"outsize from {middle - stride + 1} to {middle + stride - 1}: a convolution of it must give the input",
                f"outsize={outsize}",
            )
    return wanted


def deconvolution_nd(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    outsize: int | Sequence[int] | None = None,
    dilate: int | Sequence[int] = 1,
    groups: int = 1,
) -> Variable:
    """Apply the transpose of a convolution over any number of spatial axes.

    y[n, o, p] = b[o] + Σ x[n, c, i] W[c, o, q] over all c, i, q with p = i·stride + q·dilate − pad.

    Args:
        x: (N, C, *spatial).
        W: (C, O / groups, *window): the filters of the convolution from y's shape to x's.
        b: (O,), or None.
        stride: Steps between windows, in y; one number or one per axis. Likewise ``pad`` and ``dilate``.
        pad: What is cut off before and after each axis.
        outsize: y's spatial shape; None: the formula below. It may differ from that by less than ``stride``.
        dilate: Steps between a window's pixels.
        groups: Channels are split into so many groups, each with filters of its own.

    Returns:
        (N, O, *out), out = stride(in − 1) + dilate(window − 1) + 1 − 2·pad.

    Raises:
        InvalidType: Ranks, channels, dtypes or an ``outsize`` that do not fit, or an empty output.
        ValueError: A stride, pad, dilate or outsize of another length, or out of range.

    Source: Zeiler, Krishnan, Taylor, Fergus, 2010, "Deconvolutional networks".

    >>> deconvolution_nd(np.ones((1, 1, 2), "f"), np.ones((1, 1, 3), "f"), stride=2).array
    array([[[1., 1., 2., 1., 1.]]], dtype=float32)
    """
    filters = as_variable(W)
    return deconvolve(DeconvolutionND, x, filters, b, make_window(filters, stride, pad, dilate), outsize, groups)


def deconvolution_1d(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    outsize: int | Sequence[int] | None = None,
    dilate: int | Sequence[int] = 1,
    groups: int = 1,
) -> Variable:
    """Apply the transpose of a convolution to sequences (N, C, L); see `deconvolution_nd`.

    Raises:
        ValueError: ``x`` has another number of axes.

    >>> deconvolution_1d(np.ones((1, 1, 2), "f"), np.ones((1, 1, 2), "f")).array
    array([[[1., 2., 1.]]], dtype=float32)
    """
    x = as_variable(x)
    require_spatial_axes("deconvolution_1d", x, 1)
    return deconvolution_nd(x, W, b, stride, pad, outsize, dilate, groups)


def deconvolution_3d(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    outsize: int | Sequence[int] | None = None,
    dilate: int | Sequence[int] = 1,
    groups: int = 1,
) -> Variable:
    """Apply the transpose of a convolution to volumes (N, C, D, H, W); see `deconvolution_nd`.

    Raises:
        ValueError: ``x`` has another number of axes.

    >>> deconvolution_3d(np.ones((1, 1, 1, 1, 1), "f"), np.ones((1, 2, 3, 3, 3), "f")).shape
    (1, 2, 3, 3, 3)
    """
    x = as_variable(x)
    require_spatial_axes("deconvolution_3d", x, 3)
    return deconvolution_nd(x, W, b, stride, pad, outsize, dilate, groups)
