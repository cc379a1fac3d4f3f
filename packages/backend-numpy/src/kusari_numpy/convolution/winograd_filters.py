"""Filters before and after Winograd's transforms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from kusari_numpy.convolution.channels_last import HostArray
from kusari_numpy.pieces import share_loop
from kusari_numpy.winograd_matrices import PLACES
from kusari_numpy.workspace import aligned_empty, workspace

LARGEST: Final = 128 * 128
"""So many filters stay in a core's cache when they are transformed."""

CHANNELS: Final = 64
"""Of x, and at most as many of y, whose transformed filters go by at a time where they are many: 590 KB of float32, in
a core's L2 cache. 512² filters take 4.7 ms to transform so, one thread; 19 with all channels of x at a time."""


class Direction(NamedTuple):
    """Which filters a pass multiplies by."""

    key: str
    """For `kusari.backend.derived`."""
    windows: Callable[[HostArray], HostArray]
    """W → (channels that are summed over, channels that are made, taps), a view."""

    def transformed(self, W: HostArray) -> HostArray:
        """Return U = G w Gᵀ."""
        return _transform(self.windows(W), aligned_empty)

    def transformed_once(self, W: HostArray) -> HostArray:
        """Return U = G w Gᵀ in scratch memory."""
        return _transform(self.windows(W), scratch_filters)


def _there(W: HostArray) -> HostArray:
    return W.reshape(*W.shape[:2], -1).swapaxes(0, 1)


def _back(W: HostArray) -> HostArray:
    return W.reshape(*W.shape[:2], -1)[..., ::-1]


THERE: Final = Direction("winograd", _there)
BACK: Final = Direction("winograd mirrored", _back)


def scratch_filters(shape: tuple[int, ...], dtype: np.dtype[Any]) -> HostArray:
    """Return scratch memory for U or gU: fresh memory for 512² of them, 37 MB, took 8 of a convolution's 38 ms."""
    return workspace("filters", shape, dtype)


def _transform(windows: HostArray, memory: Callable[..., HostArray]) -> HostArray:
    """Return G w Gᵀ of windows (A, B, taps): panels (A, width) of B, at each place."""
    from kusari_numpy.compiled.vectors import whole
    from kusari_numpy.compiled.winograd import row_length
    from kusari_numpy.compiled.winograd_turns import transform_filters_in_ranges

    a, b, taps = windows.shape
    edge, outputs = math.isqrt(taps), whole(b, windows.dtype)
    U = memory((PLACES, row_length(a * outputs, windows.dtype)), windows.dtype)
    share_loop(transform_filters_in_ranges, (windows, U, edge, outputs), a, PLACES * b)
    return U


def windows_of(gU: HostArray, shape: tuple[int, ...], by_outputs: bool) -> HostArray:
    """Return gW (O, C, r, r) = Gᵀ gU G, of gU (O, C) ``by_outputs`` or (C, O) at each place."""
    from kusari_numpy.compiled.winograd_turns import filters_from_patches_in_ranges

    gW = aligned_empty(shape, gU.dtype)
    windows = gW.reshape(*shape[:2], -1)
    windows = windows if by_outputs else windows.swapaxes(0, 1)
    rows, columns, _ = windows.shape
    share_loop(filters_from_patches_in_ranges, (gU, windows, shape[2]), rows, PLACES * columns)
    return gW
