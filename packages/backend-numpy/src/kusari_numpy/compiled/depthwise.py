"""Convolution of each channel with filters of its own, channels last: images (N, H, W, C), filters (KH, KW, C).

A *line* is a row of output pixels, number n · OH + h. The window is ((size, stride, pad, dilate) of each axis).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.window import seen


@jit
def forward(x: Any, filters: Any, bias: Any, y: Any, first: int, last: int, window: Any) -> None:
    """Y[n, h, w, c] = b[c] + Σ x[n, h s + i d − p, w s + j d − p, c] filters[i, j, c] for lines of y."""
    rows, across = window
    height, out_height, out_width, channels = x.shape[1], y.shape[1], y.shape[2], x.shape[3]
    for line in range(first, last):
        n, h = line // out_height, line % out_height
        for w in range(out_width):
            for c in range(channels):
                y[n, h, w, c] = bias[c]
        for i in range(rows[0]):
            v = h * rows[1] + i * rows[3] - rows[2]
            if 0 <= v < height:
                _add_row(x, filters, y, n, h, v, i, across)


@jit
def _add_row(x: Any, filters: Any, y: Any, n: int, h: int, v: int, i: int, across: Any) -> None:
    """Add row ``v`` of the image, under row ``i`` of the filters, to line ``h`` of y.

    Three taps at once where all of them see a pixel: y is read and written once for them.
    """
    out_width, width, channels = y.shape[2], x.shape[2], x.shape[3]
    middle, end = out_width, out_width  # pixels from ``middle`` to ``end`` have three taps at once
    if across[0] == 3:
        middle, end = seen(0, across, out_width, width)[0], seen(2, across, out_width, width)[1]
        end = max(middle, end)
        for w in range(middle, end):
            u = w * across[1] - across[2]
            far, farther = u + across[3], u + 2 * across[3]
            for c in range(channels):
                y[n, h, w, c] += (
                    x[n, v, u, c] * filters[i, 0, c]
                    + x[n, v, far, c] * filters[i, 1, c]
                    + x[n, v, farther, c] * filters[i, 2, c]
                )
    for j in range(across[0]):
        left, right = seen(j, across, out_width, width)
        shift = j * across[3] - across[2]
        for w in range(left, right):
            if w < middle or w >= end:
                u = w * across[1] + shift
                for c in range(channels):
                    y[n, h, w, c] += x[n, v, u, c] * filters[i, j, c]


@jit
def grad_input(gy: Any, filters: Any, gx: Any, first: int, last: int, window: Any) -> None:
    """Write the lines ``first`` to ``last`` of gx: each output that saw a pixel gives it its share."""
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
                            gx[n, v, u, c] += gy[n, h, w, c] * filters[i, j, c]


@jit
def grad_filters(x: Any, gy: Any, gradient: Any, first: int, last: int, window: Any) -> None:
    """Add the share of gy's lines ``first`` to ``last`` to the gradient (KH, KW, C)."""
    rows, across = window
    height, channels, out_height, out_width = x.shape[1], x.shape[3], gy.shape[1], gy.shape[2]
    total = np.empty(channels, x.dtype)
    for line in range(first, last):
        n, h = line // out_height, line % out_height
        for i in range(rows[0]):
            v = h * rows[1] + i * rows[3] - rows[2]
            if 0 <= v < height:
                for j in range(across[0]):
                    left, right = seen(j, across, out_width, x.shape[2])
                    shift = j * across[3] - across[2]
                    total[:] = 0
                    for w in range(left, right):
                        u = w * across[1] + shift
                        for c in range(channels):
                            total[c] += x[n, v, u, c] * gy[n, h, w, c]
                    for c in range(channels):
                        gradient[i, j, c] += total[c]
