"""Windows: how convolution and pooling slide over an image, and the sizes that come of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from kusari.backend import Backend
from kusari.types import Array, Shape


class Window(NamedTuple):
    """A sliding window over the spatial axes; every field has one number per axis."""

    size: Shape
    stride: Shape
    pad: Shape
    dilate: Shape

    @property
    def trivial(self) -> bool:
        """True for 1×1, stride 1, no padding: each output pixel sees one input pixel."""
        return set(self.size) | set(self.stride) | set(self.dilate) == {1} and not any(self.pad)

    def out_shape(self, in_shape: Shape, cover_all: bool = False) -> Shape:
        """Return the spatial shape of the output."""
        return tuple(
            get_conv_outsize(n, k, s, p, cover_all, d)
            for n, k, s, p, d in zip(in_shape, self.size, self.stride, self.pad, self.dilate, strict=True)
        )

    def border_after(self, in_shape: Shape, out_shape: Shape) -> Shape:
        """Return the border behind the image: ``pad``, or as far as the last window reaches."""
        return tuple(
            max(p, s * (o - 1) + d * (k - 1) + 1 - n - p)
            for n, o, k, s, p, d in zip(in_shape, out_shape, self.size, self.stride, self.pad, self.dilate, strict=True)
        )

    def taps(self, out_shape: Shape) -> Iterator[tuple[slice, ...]]:
        """Yield, for each place in the window, the slices of the padded input that it sees, in row-major order."""
        for offset in itertools.product(*map(range, self.size)):
            yield tuple(
                slice(o * d, o * d + s * (n - 1) + 1, s)
                for o, d, s, n in zip(offset, self.dilate, self.stride, out_shape, strict=True)
            )


def get_conv_outsize(size: int, k: int, s: int, p: int, cover_all: bool = False, d: int = 1) -> int:
    """Return the output length of a convolution or pooling along one axis.

    ⌊(size + 2p − d(k − 1) − 1) / s⌋ + 1; with ``cover_all``, the ceiling: every input pixel is seen.

    >>> get_conv_outsize(10, 3, 2, 1), get_conv_outsize(10, 3, 2, 1, cover_all=True)
    (5, 6)
    """
    room = size + 2 * p - (d * (k - 1) + 1)
    return (room + s - 1) // s + 1 if cover_all else room // s + 1


def get_deconv_outsize(size: int, k: int, s: int, p: int, cover_all: bool = False, d: int = 1) -> int:
    """Return the output length of a transposed convolution along one axis.

    s(size − 1) + d(k − 1) + 1 − 2p; with ``cover_all``, s − 1 less.

    >>> get_deconv_outsize(5, 3, 2, 1)
    9
    """
    reach = d * (k - 1) + 1
    return s * (size - 1) + reach - (s - 1 if cover_all else 0) - 2 * p


def pad_channels_last(backend: Backend, x: Array, before: Shape, after: Shape, value: float) -> Array:
    """Return ``x`` (N, *spatial, C) with a border of ``value`` around its spatial axes, or ``x`` itself."""
    if not any(before) and not any(after):
        return x
    xp = backend.xp
    shape = (x.shape[0], *(b + n + a for b, n, a in zip(before, x.shape[1:-1], after, strict=True)), x.shape[-1])
    padded: Array = xp.full(shape, value, dtype=x.dtype, device=x.device)
    padded[interior(before, x.shape[1:-1])] = x
    return padded


def interior(before: Shape, spatial: Shape) -> tuple[slice, ...]:
    """Return the index of the image inside its border, for (N, *spatial, C)."""
    return (slice(None), *(slice(b, b + n) for b, n in zip(before, spatial, strict=True)), slice(None))


def to_channels_last(backend: Backend, x: Array) -> Array:
    """Return the (N, *spatial, C) view of (N, C, *spatial)."""
    return backend.xp.permute_dims(x, (0, *range(2, x.ndim), 1))


def to_channels_first(backend: Backend, x: Array) -> Array:
    """Return the (N, C, *spatial) view of (N, *spatial, C)."""
    return backend.xp.permute_dims(x, (0, x.ndim - 1, *range(1, x.ndim - 1)))


def is_channels_last(shape: Shape, strides: Shape | None) -> bool:
    """Tell whether (N, C, *spatial) strides in bytes are those of dense (N, *spatial, C) memory.

    >>> is_channels_last((2, 3, 4, 5), np.zeros((2, 4, 5, 3), "f").transpose(0, 3, 1, 2).strides)
    True
    """
    if strides is None or len(shape) < 3:
        return False
    expected = strides[1]
    for axis in (1, *range(len(shape) - 1, 1, -1), 0):
        if shape[axis] > 1 and strides[axis] != expected:
            return False
        expected *= shape[axis]
    return True
