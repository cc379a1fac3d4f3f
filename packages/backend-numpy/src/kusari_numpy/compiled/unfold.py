"""What each output pixel of a convolution sees, as a row of numbers, and back.

Images come with their border of zeros, so that no loop asks where it is (with that question a number took 1 ns instead
of 0.15). A *line* is the output pixels along the last spatial axis: number (n · OD + d) · OH + h. The window is
((size, stride, pad, dilate) of each axis), pad unused.

Inner loops count with unsigned numbers from 0: where an index might be negative the compiler asks which end it counts
from, and uses no vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit


@jit
def unfold(
    image: Any, columns: Any, first: int, last: int, out: tuple[int, int, int], window: Any, channels: int
) -> None:
    """Write the lines ``first`` to ``last`` of images (N, D, H, W · C): columns (pixels, KD · KH, KW · C)."""
    (kd, sd, _, dd), (kh, sh, _, dh), (kw, sw, _, dw) = window
    run = kw if dw == 1 else 1  # so many taps lie side by side in memory
    length = np.uint64(run * channels)
    for line in range(first, last):
        n, d, h = line // (out[0] * out[1]), line // out[1] % out[0], line % out[1]
        for tap in range(kd * kh):
            z, y = d * sd + tap // kh * dd, h * sh + tap % kh * dh
            for w in range(out[2]):
                pixel = (line - first) * out[2] + w
                for k in range(0, kw, run):
                    into, source = np.uint64(k * channels), np.uint64((w * sw + k * dw) * channels)
                    for j in range(length):
                        columns[pixel, tap, into + j] = image[n, z, y, source + j]


@jit
def unfold_planes(image: Any, columns: Any, first: int, last: int, out: tuple[int, int, int], window: Any) -> None:
    """Write the lines ``first`` to ``last`` of images (N, C, D, H, S, W / S): columns (C · taps, pixels).

    For few channels. S is the stride along the last axis: pixels that one tap sees along a line are a stride apart, and
    lie side by side where every S-th pixel does.
    """
    (kd, sd, _, dd), (kh, sh, _, dh), (kw, sw, _, dw) = window
    length = np.uint64(out[2])
    for line in range(first, last):
        n, d, h = line // (out[0] * out[1]), line // out[1] % out[0], line % out[1]
        start = np.uint64((line - first) * out[2])
        for row in range(image.shape[1] * kd * kh):
            c, tap = row // (kd * kh), row % (kd * kh)
            z, y = d * sd + tap // kh * dd, h * sh + tap % kh * dh
            for k in range(kw):
                phase, source = k * dw % sw, np.uint64(k * dw // sw)
                for w in range(length):
                    columns[row * kw + k, start + w] = image[n, c, z, y, phase, source + w]


@jit
def fold(
    columns: Any, image: Any, first: int, last: int, out: tuple[int, int, int], window: Any, channels: int
) -> None:
    """Add the rows of lines ``first`` to ``last`` to the pixels of (N, D, H, W · C) that they were taken from."""
    (kd, sd, _, dd), (kh, sh, _, dh), (kw, sw, _, dw) = window
    run = kw if dw == 1 else 1
    length = np.uint64(run * channels)
    for line in range(first, last):
        n, d, h = line // (out[0] * out[1]), line // out[1] % out[0], line % out[1]
        for tap in range(kd * kh):
            z, y = d * sd + tap // kh * dd, h * sh + tap % kh * dh
            for w in range(out[2]):
                pixel = (line - first) * out[2] + w
                for k in range(0, kw, run):
                    into, source = np.uint64((w * sw + k * dw) * channels), np.uint64(k * channels)
                    for j in range(length):
                        image[n, z, y, into + j] += columns[pixel, tap, source + j]


@jit
def add_bias(y: Any, b: Any, rectify: bool) -> None:
    """y (rows, O) ← y + b, or max(y + b, 0)."""
    for row in range(y.shape[0]):
        if rectify:
            for o in range(y.shape[1]):
                value = y[row, o] + b[o]
                y[row, o] = 0 if value < 0 else value  # noqa: FURB136  # NaN stays NaN, which max() drops
        else:
            for o in range(y.shape[1]):
                y[row, o] += b[o]


@jit
def rectify_grad(y: Any, gy: Any) -> None:
    """Gy (rows, O) ← gy where y > 0, else 0."""
    for row in range(y.shape[0]):
        for o in range(y.shape[1]):
            gy[row, o] = gy[row, o] if y[row, o] > 0 else 0


@jit
def sum_rows(gy: Any, total: Any) -> None:
    """Add the sum of gy (rows, O) over its rows to total (O,)."""
    for row in range(gy.shape[0]):
        for o in range(gy.shape[1]):
            total[o] += gy[row, o]
