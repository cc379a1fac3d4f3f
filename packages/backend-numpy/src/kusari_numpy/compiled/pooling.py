"""Pooling of images (N, H, W, C), channels last.

A *line* is a row of pixels of what is written, number n · H + h. The window is ((size, stride, pad, dilate) of each
axis), and its places are numbered row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.window import seen


@jit
def largest(x: Any, y: Any, where: Any, first: int, last: int, window: Any) -> None:
    """y = the largest number that each window sees, and ``where`` the first place that has it; NaN is larger."""
    rows, across = window
    height, out_height, width, channels = x.shape[1], y.shape[1], y.shape[2], y.shape[3]
    for line in range(first, last):
        n, h = line // out_height, line % out_height
        for w in range(width):
            for c in range(channels):
                y[n, h, w, c] = -np.inf
                where[n, h, w, c] = 0
        for i in range(rows[0]):
            v = h * rows[1] + i * rows[3] - rows[2]
            if 0 <= v < height:
                for j in range(across[0]):
                    place = np.int32(i * across[0] + j)
                    left, right = seen(j, across, width, x.shape[2])
                    shift = j * across[3] - across[2]
                    for w in range(left, right):
                        u = w * across[1] + shift
                        for c in range(channels):
                            a, best = x[n, v, u, c], y[n, h, w, c]
                            better = (a > best) | ((a != a) & (best == best))
                            y[n, h, w, c] = a if better else best
                            where[n, h, w, c] = place if better else where[n, h, w, c]


@jit
def largest_gradient(where: Any, gy: Any, gx: Any, first: int, last: int, window: Any) -> None:
    """Write lines of gx: the sum of gy over the windows that took their number from a pixel."""
    rows, across = window
    height, width, channels, out_height, out_width = gx.shape[1], gx.shape[2], gx.shape[3], gy.shape[1], gy.shape[2]
    zero = gx.dtype.type(0)
    for line in range(first, last):
        n, v = line // height, line % height
        for u in range(width):
            for c in range(channels):
                gx[n, v, u, c] = 0
        for i in range(rows[0]):
            h, rest = divmod(v + rows[2] - i * rows[3], rows[1])
            if rest == 0 and 0 <= h < out_height:
                for j in range(across[0]):
                    place = np.int32(i * across[0] + j)
                    left, right = seen(j, across, out_width, width)
                    shift = j * across[3] - across[2]
                    for w in range(left, right):
                        u = w * across[1] + shift
                        for c in range(channels):
                            gx[n, v, u, c] += gy[n, h, w, c] if where[n, h, w, c] == place else zero


@jit
def gather(where: Any, x: Any, y: Any, first: int, last: int, window: Any) -> None:
    """y = what lies at the place of each window that ``where`` names; 0 outside of the image."""
    rows, across = window
    height, width, out_height, out_width, channels = x.shape[1], x.shape[2], y.shape[1], y.shape[2], y.shape[3]
    for line in range(first, last):
        n, h = line // out_height, line % out_height
        for w in range(out_width):
            for c in range(channels):
                i, j = where[n, h, w, c] // across[0], where[n, h, w, c] % across[0]
                v = h * rows[1] + i * rows[3] - rows[2]
                u = w * across[1] + j * across[3] - across[2]
                y[n, h, w, c] = x[n, v, u, c] if 0 <= v < height and 0 <= u < width else 0


@jit
def mean(x: Any, weight: Any, y: Any, first: int, last: int, window: Any) -> None:
    """y[n, h, w, c] = weight[h, w] Σ of what the window sees, for lines of y."""
    rows, across = window
    height, out_height, width, channels = x.shape[1], y.shape[1], y.shape[2], y.shape[3]
    for line in range(first, last):
        n, h = line // out_height, line % out_height
        for w in range(width):
            for c in range(channels):
                y[n, h, w, c] = 0
        for i in range(rows[0]):
            v = h * rows[1] + i * rows[3] - rows[2]
            if 0 <= v < height:
                for j in range(across[0]):
                    left, right = seen(j, across, width, x.shape[2])
                    shift = j * across[3] - across[2]
                    for w in range(left, right):
                        u = w * across[1] + shift
                        for c in range(channels):
                            y[n, h, w, c] += x[n, v, u, c]
        for w in range(width):
            for c in range(channels):
                y[n, h, w, c] *= weight[h, w]


@jit
def mean_gradient(weight: Any, gy: Any, gx: Any, first: int, last: int, window: Any) -> None:
    """Write lines of gx: the sum of weight · gy over the windows that saw a pixel."""
    rows, across = window
    height, width, channels, out_height, out_width = gx.shape[1], gx.shape[2], gx.shape[3], gy.shape[1], gy.shape[2]
    for line in range(first, last):
        n, v = line // height, line % height
        for u in range(width):
            for c in range(channels):
                gx[n, v, u, c] = 0
        for i in range(rows[0]):
            h, rest = divmod(v + rows[2] - i * rows[3], rows[1])
            if rest == 0 and 0 <= h < out_height:
                for j in range(across[0]):
                    left, right = seen(j, across, out_width, width)
                    shift = j * across[3] - across[2]
                    for w in range(left, right):
                        u = w * across[1] + shift
                        for c in range(channels):
                            gx[n, v, u, c] += weight[h, w] * gy[n, h, w, c]
