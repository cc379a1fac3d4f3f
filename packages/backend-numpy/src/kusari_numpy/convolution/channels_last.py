"""Channels-last memory, in which the compiled convolutions work: (N, D, H, W, C), dense, with three spatial axes.

Fewer axes are written as three with lengths of 1 in front, so that one loop serves 1-D, 2-D and 3-D.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari_numpy.pieces import share_loop
from kusari_numpy.workspace import aligned_empty

HostArray = np.ndarray[Any, Any]

Axis = tuple[int, int, int, int]
"""Window size, stride, pad and dilate along one axis."""


class ChannelsLastConvolution(Convolution):
    """What works on channels-last memory: other memory is laid out so once for all gradients, not for each anew."""

    def backward(  # type: ignore[override]
        self, x: HostArray, W: HostArray, y: HostArray | None, gy: HostArray, wanted: tuple[bool, bool, bool]
    ) -> tuple[HostArray | None, HostArray | None, HostArray | None]:
        """Return the gradients of (x, W, b) that are wanted."""
        made: Any = super().backward(x, W, y, channels_first_view(channels_last(gy), gy.shape[2:]), wanted)
        return made  # NumPy arrays, as all that this backend's kernels return


class Geometry(NamedTuple):
    """A convolution's sizes along three spatial axes."""

    size: tuple[int, int, int]
    out: tuple[int, int, int]
    window: tuple[Axis, Axis, Axis]

    @classmethod
    def of(cls, problem: ConvolutionProblem) -> Geometry:
        """Return a Problem's."""
        missing = 3 - len(problem.window.size)
        axes = [(1, 1, 0, 1)] * missing + list(zip(*problem.window, strict=True))
        return cls(_three(problem.x[2:]), _three(problem.out_shape), (axes[0], axes[1], axes[2]))

    @property
    def taps(self) -> int:
        """The number of places in the window."""
        return math.prod(axis[0] for axis in self.window)


def _three(lengths: tuple[int, ...]) -> tuple[int, int, int]:
    first, second, third = (1,) * (3 - len(lengths)) + tuple(lengths)
    return first, second, third


def channels_last_view(x: HostArray) -> HostArray:
    """Return (N, C, *spatial) as (N, *spatial, C), a view."""
    return x.transpose(0, *range(2, x.ndim), 1)  # `moveaxis` takes 4.5 µs, this 1.3


def channels_last(x: HostArray) -> HostArray:
    """Return (N, C, *spatial) as (N, D, H, W, C), dense: a view where the memory is so already, else a copy."""
    n, c, *spatial = x.shape
    view = channels_last_view(x)
    if not view.flags.c_contiguous:
        view = _copy(x) if x.flags.c_contiguous and c > 1 else np.ascontiguousarray(view)
    return view.reshape(n, *_three(tuple(spatial)), c)


def flat_images(images: HostArray) -> HostArray:
    """Return dense images (N, …) as (N, numbers)."""
    return images.reshape(len(images), -1)


def _copy(x: HostArray) -> HostArray:
    """Return a channels-last copy of channels-first memory."""
    n, c, *spatial = x.shape
    return transposed(x.reshape(n, c, math.prod(spatial))).reshape(n, *spatial, c)


def channels_first_copy(y: HostArray, spatial: tuple[int, ...]) -> HostArray:
    """Return dense (N, …, O) memory as an array (N, O, *spatial) of channels-first memory."""
    n, o = len(y), y.shape[-1]
    return transposed(y.reshape(n, math.prod(spatial), o)).reshape(n, o, *spatial)


def transposed(source: HostArray) -> HostArray:
    """Return a copy (N, B, A) of dense (N, A, B)."""
    from kusari_numpy.compiled.layout import BLOCK, transpose_in_ranges

    n, a, b = source.shape
    copy = aligned_empty((n, b, a), source.dtype)
    share_loop(transpose_in_ranges, (source, copy), n * -(-a // BLOCK), BLOCK * b)
    return copy


def channels_first_view(y: HostArray, spatial: tuple[int, ...]) -> HostArray:
    """Return (N, …, O) memory as the (N, O, *spatial) array that the caller expects."""
    return y.reshape(len(y), *spatial, y.shape[-1]).transpose(0, 1 + len(spatial), *range(1, 1 + len(spatial)))
