"""Sliding windows by enumeration: what the oracles of convolution and pooling stand on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.kernels.window import Window
from kusari.types import Shape
from kusari_testkit.draw import HostArray

ALL: Final = slice(None)


class Place(NamedTuple):
    """One output pixel."""

    out: tuple[int, ...]
    """Its index."""
    seen: tuple[slice, ...]
    """What it sees of the image with its border, along the spatial axes."""

    def pixel(self, channels: slice = ALL) -> Any:
        """Return the index of the pixel in (N, C, *out)."""
        return (ALL, channels, *self.out)

    def view(self, channels: slice = ALL) -> Any:
        """Return the index of what it sees in the bordered (N, C, *spatial)."""
        return (ALL, channels, *self.seen)


def per_axis(value: int | Shape, axes: int) -> Shape:
    """Return one number per axis."""
    return value if isinstance(value, tuple) else (value,) * axes


def window(size: Shape, stride: int | Shape = 1, pad: int | Shape = 0, dilate: int | Shape = 1) -> Window:
    """Return the `Window` of arguments of one number or one per axis."""
    axes = len(size)
    return Window(size, per_axis(stride, axes), per_axis(pad, axes), per_axis(dilate, axes))


def starts(length: int, size: int, stride: int, pad: int, dilate: int, cover_all: bool) -> list[int]:
    """Return where windows begin along one axis, counted from the image's first pixel.

    Every window that fits into the border; with ``cover_all``, one more where pixels would go unseen.

    >>> starts(5, 3, 2, 1, 1, False), starts(6, 3, 2, 0, 1, True)
    ([-1, 1, 3], [0, 2, 4])
    """
    reach = dilate * (size - 1) + 1
    found = list(range(-pad, length + pad - reach + 1, stride))
    if cover_all and found[-1] + reach < length + pad:
        found.append(found[-1] + stride)
    return found


def places(spatial: Sequence[int], shape: Window, cover_all: bool = False) -> Iterator[Place]:
    """Yield every output pixel, for an image in a border as wide as `bordered` makes it."""
    axes = [
        list(enumerate(starts(*numbers, cover_all)))
        for numbers in zip(spatial, shape.size, shape.stride, shape.pad, shape.dilate, strict=True)
    ]
    widths = border(shape)
    for corner in itertools.product(*axes):
        begins = [start + width for (_, start), width in zip(corner, widths, strict=True)]
        yield Place(
            tuple(index for index, _ in corner),
            tuple(slice(b, b + d * (k - 1) + 1, d) for b, k, d in zip(begins, shape.size, shape.dilate, strict=True)),
        )


def border(shape: Window) -> Shape:
    """Return a border that no window leaves: padding, a window and a step."""
    return tuple(p + d * k + s for k, s, p, d in zip(*shape, strict=True))


def bordered(x: HostArray, shape: Window, value: float = 0.0) -> HostArray:
    """Return (N, C, *spatial) inside a border of ``value``."""
    widths = [(0, 0), (0, 0), *((w, w) for w in border(shape))]
    return np.pad(x, widths, constant_values=value)


def unbordered(x: HostArray, shape: Window) -> HostArray:
    """Return the image inside its border."""
    inside: Any = tuple(slice(w, n - w) for w, n in zip(border(shape), x.shape[2:], strict=True))
    return np.ascontiguousarray(x[(ALL, ALL, *inside)])


def out_shape(spatial: Sequence[int], shape: Window, cover_all: bool = False) -> Shape:
    """Return the spatial shape of the output, by counting."""
    return tuple(
        len(starts(*numbers, cover_all))
        for numbers in zip(spatial, shape.size, shape.stride, shape.pad, shape.dilate, strict=True)
    )
