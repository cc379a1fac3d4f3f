"""What each output pixel of a convolution sees, as a row of numbers, and back.

Images are (N, D, H, W · C), channels last, W and C as one axis; fewer spatial axes have lengths of 1. A *line* is the
output pixels along the last spatial axis: number (n · OD + d) · OH + h. The window is ((size, stride, pad, dilate) of
each axis).

Inner loops count with unsigned numbers: where an index might be negative the compiler asks which end it counts from,
pixel by pixel, and uses no vectors (3 ns a number instead of 0.3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit


@jit
def unfold(
    image: Any, columns: Any, first: int, last: int, out: tuple[int, int, int], window: Any, channels: int
) -> None:
    """Write the rows of lines ``first`` to ``last``: columns ((last − first) · OW, KD · KH, KW · C)."""
    (kd, sd, pd, dd), (kh, sh, ph, dh), (kw, sw, pw, dw) = window
    depth, height, width = image.shape[1], image.shape[2], image.shape[3] // channels
    for line in range(first, last):
        n, d, h = line // (out[0] * out[1]), line // out[1] % out[0], line % out[1]
        for tap in range(kd * kh):
            z, y = d * sd + tap // kh * dd - pd, h * sh + tap % kh * dh - ph
            inside = 0 <= z < depth and 0 <= y < height
            for w in range(out[2]):
                row = columns[(line - first) * out[2] + w, tap]
                if not inside:
                    row[:] = 0
                    continue
                x = w * sw - pw
                if dw == 1:
                    before, after = min(max(-x, 0), kw), max(min(kw, width - x), 0)
                    row[: before * channels] = 0
                    into, source = np.uint64(before * channels), np.uint64((x + before) * channels)
                    for j in range(np.uint64(max(after - before, 0) * channels)):
                        row[into + j] = image[n, z, y, source + j]
                    row[max(before, after) * channels :] = 0
                else:
                    for k in range(kw):
                        place = x + k * dw
                        into = np.uint64(k * channels)
                        if 0 <= place < width:
                            source = np.uint64(place * channels)
                            for c in range(np.uint64(channels)):
                                row[into + c] = image[n, z, y, source + c]
                        else:
                            for c in range(np.uint64(channels)):
                                row[into + c] = 0


@jit
def unfold_planes(image: Any, columns: Any, first: int, last: int, out: tuple[int, int, int], window: Any) -> None:
    """Write the lines ``first`` to ``last`` of channels-first images (N, C, D, H, W): columns (C · taps, pixels).

    For few channels: along a line the pixels that a tap sees are neighbours in memory, or a stride apart.
    """
    (kd, sd, pd, dd), (kh, sh, ph, dh), (kw, sw, pw, dw) = window
    channels, depth, height, width = image.shape[1:]
    for line in range(first, last):
        n, d, h = line // (out[0] * out[1]), line // out[1] % out[0], line % out[1]
        start = (line - first) * out[2]
        for row in range(channels * kd * kh):
            c, tap = row // (kd * kh), row % (kd * kh)
            z, y = d * sd + tap // kh * dd - pd, h * sh + tap % kh * dh - ph
            inside = 0 <= z < depth and 0 <= y < height
            for k in range(kw):
                shift = k * dw - pw
                # The pixels w with 0 ≤ w · sw + shift < width.
                left = min(max(0, -(shift // sw)), out[2])
                right = max(left, min(out[2], (width - 1 - shift) // sw + 1)) if inside else left
                for w in range(left):
                    columns[row * kw + k, start + w] = 0
                into, source, step = np.uint64(start + left), np.uint64(left * sw + shift), np.uint64(sw)
                if sw == 1:
                    for w in range(np.uint64(right - left)):
                        columns[row * kw + k, into + w] = image[n, c, z, y, source + w]
                else:
                    for w in range(np.uint64(right - left)):
                        columns[row * kw + k, into + w] = image[n, c, z, y, source + w * step]
                for w in range(right, out[2]):
                    columns[row * kw + k, start + w] = 0


@jit
def fold(
    columns: Any, image: Any, first: int, last: int, out: tuple[int, int, int], window: Any, channels: int
) -> None:
    """Add the rows of lines ``first`` to ``last`` to the pixels that they were taken from."""
    (kd, sd, pd, dd), (kh, sh, ph, dh), (kw, sw, pw, dw) = window
    depth, height, width = image.shape[1], image.shape[2], image.shape[3] // channels
    for line in range(first, last):
        n, d, h = line // (out[0] * out[1]), line // out[1] % out[0], line % out[1]
        for tap in range(kd * kh):
            z, y = d * sd + tap // kh * dd - pd, h * sh + tap % kh * dh - ph
            if not (0 <= z < depth and 0 <= y < height):
                continue
            for w in range(out[2]):
                row = columns[(line - first) * out[2] + w, tap]
                for k in range(kw):
                    place = w * sw - pw + k * dw
                    if 0 <= place < width:
                        into, source = np.uint64(place * channels), np.uint64(k * channels)
                        for c in range(np.uint64(channels)):
                            image[n, z, y, into + c] += row[source + c]


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
