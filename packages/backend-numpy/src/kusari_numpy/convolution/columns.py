"""What output pixels see, unfolded into rows for a matrix product: by pixels, or by planes where channels are few."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np

from kusari_numpy.convolution.channels_last import Geometry, HostArray, channels_last
from kusari_numpy.workspace import workspace

SIZE = 2**17
"""Numbers that the unfolded rows of one piece of work should have: 512 KiB of float32, a part of a core's L2 cache."""
FEWEST_ROWS = 256
"""Rows that a piece should have at least: the product reads all filters anew for each."""
LANES = 4
"""In so many parts are the gradients of filters added up, whatever the number of threads: the sums do not vary."""
FEW_CHANNELS = 4
"""Up to here a run of channels is shorter than a vector, and planes are unfolded instead."""


class Lines(NamedTuple):
    """The output pixels of a convolution, in pieces of a few lines along the last axis."""

    length: int
    """Pixels in a line."""
    total: int
    per_piece: int

    @classmethod
    def of(cls, images: int, geometry: Geometry, reach: int) -> Lines:
        """Return the lines of a convolution in which each output pixel sees ``reach`` numbers."""
        *others, length = geometry.out
        count = images * math.prod(others)
        wanted = max(SIZE // (reach * length), -(-FEWEST_ROWS // length))
        # No fewer pieces than a few threads can share, even of a single image.
        return cls(length, count, max(1, min(wanted, -(-count // LANES))))

    @property
    def pieces(self) -> int:
        """The number of pieces."""
        return -(-self.total // self.per_piece)

    def edges(self, piece: int) -> tuple[int, int]:
        """Return the first line of a piece, and the one after its last."""
        first = piece * self.per_piece
        return first, min(first + self.per_piece, self.total)


class Columns(Protocol):
    """One call's images, ready to be unfolded."""

    geometry: Geometry

    def __call__(self, first: int, last: int) -> HostArray:
        """Return what the output pixels of lines ``first`` to ``last`` see: (pixels, taps · C)."""


class ByPixel:
    """Columns in the order (taps, C), from channels-last memory."""

    def __init__(self, x: HostArray, geometry: Geometry) -> None:
        self.images = channels_last(x)
        self.geometry = geometry
        self.channels = x.shape[1]
        if not geometry.trivial:
            bordered = np.zeros((len(x), *geometry.padded, self.channels), x.dtype)
            bordered[(slice(None), *geometry.inside)] = self.images
            self.images = bordered

    def __call__(self, first: int, last: int) -> HostArray:
        from kusari_numpy.compiled.unfold import unfold

        images, geometry, length = self.images, self.geometry, self.geometry.out[2]
        if geometry.trivial:
            return images.reshape(-1, self.channels)[first * length : last * length]
        (kd, *_), (kh, *_), (kw, *_) = geometry.window
        columns = workspace("columns", ((last - first) * length, kd * kh, kw * self.channels), images.dtype)
        source = images.reshape(*images.shape[:3], -1)
        unfold(source, columns, first, last, geometry.out, geometry.window, self.channels)
        return columns.reshape(len(columns), -1)

    @staticmethod
    def filters(W: HostArray) -> HostArray:
        """Return W (O, C, *window) as (taps · C, O)."""
        return np.ascontiguousarray(W.reshape(*W.shape[:2], -1).transpose(2, 1, 0)).reshape(-1, len(W))

    @staticmethod
    def window_gradient(g: HostArray, shape: tuple[int, ...]) -> HostArray:
        """Return (taps · C, O) as (O, C, *window)."""
        o, c, *_ = shape
        return np.ascontiguousarray(g.reshape(-1, c, o).transpose(2, 1, 0)).reshape(shape)


class ByPlane:
    """Columns in the order (C, taps), from channels-first memory."""

    def __init__(self, x: HostArray, geometry: Geometry) -> None:
        self.geometry = geometry
        stride = geometry.window[2][1]
        *others, width = geometry.padded
        width = -(-width // stride) * stride
        bordered = np.zeros((*x.shape[:2], *others, width), x.dtype)
        bordered[(slice(None), slice(None), *geometry.inside)] = x.reshape(*x.shape[:2], *geometry.size)
        # Every stride-th pixel side by side, as the taps see them.
        self.images = np.ascontiguousarray(bordered.reshape(*bordered.shape[:-1], -1, stride).swapaxes(-1, -2))

    def __call__(self, first: int, last: int) -> HostArray:
        from kusari_numpy.compiled.unfold import unfold_planes

        geometry = self.geometry
        reach = self.images.shape[1] * geometry.taps
        columns = workspace("columns", (reach, (last - first) * geometry.out[2]), self.images.dtype)
        unfold_planes(self.images, columns, first, last, geometry.out, geometry.window)
        return columns.T

    @staticmethod
    def filters(W: HostArray) -> HostArray:
        """Return W (O, C, *window) as (C · taps, O)."""
        return np.ascontiguousarray(W.reshape(len(W), -1).T)

    @staticmethod
    def window_gradient(g: HostArray, shape: tuple[int, ...]) -> HostArray:
        """Return (C · taps, O) as (O, C, *window)."""
        return np.ascontiguousarray(g.T).reshape(shape)


def columns_for(channels: int, geometry: Geometry) -> type[ByPixel] | type[ByPlane]:
    """Return how to unfold images of so many channels."""
    return ByPlane if channels <= FEW_CHANNELS and not geometry.trivial else ByPixel
