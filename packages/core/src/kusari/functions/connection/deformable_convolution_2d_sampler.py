"""2-D convolution that looks where it is told to."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike, constant
from kusari.errors import InvalidType
from kusari.functions.arguments import like
from kusari.functions.array.concat import concat
from kusari.functions.array.spatial_transformer_sampler import SpatialTransformerSampler
from kusari.functions.connection.convolution_nd import make_window
from kusari.kernels.window import Window


def deformable_convolution_2d_sampler(
    x: VariableLike,
    offset: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
) -> Variable:
    """Convolve images with filters whose pixels are moved, at each place by offsets of its own.

    y[n, o, i, j] = b[o] + Σ_{c, k, l} x[n, c, i·s + k − p + δ, j·s + l − p + ε] W[o, c, k, l], where δ and ε are the
    offsets for n, i, j, k, l; between pixels x is interpolated bilinearly, and outside the image it is 0.

    Args:
        x: (N, C, H, W).
        offset: (N, 2·kh·kw, H', W'), in pixels: first ε, to the right, for each of the window's pixels row by row;
            then δ, down.
        W: (O, C, kh, kw).
        b: (O,), or None.
        stride: Steps between windows; one number or (vertical, horizontal). Likewise ``pad``.
        pad: Zeros around the image.

    Returns:
        (N, O, H', W'), H' that of ``offset``.

    Raises:
        InvalidType: Ranks, channels or dtypes that do not fit.
        ValueError: ``offset`` does not have 2·kh·kw channels; a stride or pad of another length, or out of range.

    Source: Dai et al., 2017, "Deformable convolutional networks", arXiv:1703.06211.

    >>> x = np.arange(4.0).reshape(1, 1, 1, 4)
    >>> half = np.asarray([0.5, 0.0]).reshape(1, 2, 1, 1) * np.ones((1, 2, 1, 4))
    >>> deformable_convolution_2d_sampler(x, half, np.ones((1, 1, 1, 1))).array
    array([[[[0.5, 1.5, 2.5, 1.5]]]])
    """
    x = as_variable(x)
    offset, filters = like(x, offset), like(x, W)
    _check(x, offset, filters, b)
    window = make_window(filters, stride, pad, 1)
    taps, (n, _, height, width) = math.prod(window.size), offset.shape
    places = offset.reshape(n, 2, taps, height, width) + _regular_places(offset, window)
    grid = places.reshape(n, 2, taps * height, width)
    (seen,) = SpatialTransformerSampler(pixels=True).apply((x, grid))  # (N, C, taps · H', W')
    o, c = filters.shape[:2]
    columns = seen.reshape(n, c, taps, height, width).transpose(0, 3, 4, 1, 2).reshape(n * height * width, c * taps)
    y = columns @ filters.reshape(o, c * taps).transpose()
    if b is not None:
        y = y + like(x, b).reshape(1, o)
    return y.reshape(n, height, width, o).transpose(0, 3, 1, 2)


def _check(x: Variable, offset: Variable, W: Variable, b: VariableLike | None) -> None:
    if not x.ndim == offset.ndim == W.ndim == 4:
        raise InvalidType("x.ndim == offset.ndim == W.ndim == 4", f"{x.ndim}, {offset.ndim}, {W.ndim}")
    if x.shape[1] != W.shape[1]:
        raise InvalidType("x.shape[1] == W.shape[1]", f"{x.shape[1]} != {W.shape[1]}")
    if b is not None and as_variable(b).shape != W.shape[:1]:
        raise InvalidType(f"b.shape == {W.shape[:1]}", f"{as_variable(b).shape}")
    taps = math.prod(W.shape[2:])
    if offset.shape[1] != 2 * taps:
        raise ValueError(
            f"offset of shape {offset.shape}: expected {2 * taps} channels, two for each of the {taps} pixels of "
            f"W's window {W.shape[2:]}"
        )


def _regular_places(offset: Variable, window: Window) -> Variable:
    """Return where an undeformed window looks, in pixels of x: (1, 2, taps, H', W'), across and down."""
    xp, shape = offset.xp, offset.shape[2:]

    def along(axis: int) -> Variable:
        ones = [1, 1, 1, 1]
        parts = []
        for place, length, step in ((axis, window.size[axis], 1), (2 + axis, shape[axis], window.stride[axis])):
            numbers = xp.arange(0, length * step, step, dtype=offset.array.dtype, device=offset.array.device)
            parts.append(xp.reshape(numbers, (*ones[:place], length, *ones[place + 1 :])))
        places = xp.broadcast_to(parts[0] + parts[1] - window.pad[axis], (*window.size, *shape))
        return constant(xp.reshape(places, (1, 1, math.prod(window.size), *shape)), offset.device)

    return concat((along(1), along(0)), axis=1)
