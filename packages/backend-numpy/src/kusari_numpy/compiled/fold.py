"""Convolution that makes few channels: what pixels give through all taps is one product, and added where it belongs."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.product import multiply_packed
from kusari_numpy.compiled.vectors import REGISTERS, WIDEST


@jit
def folded(
    x: Any, packed: Any, seen: tuple[int, int, int], size: tuple[int, int, int], stride: tuple[int, int, int],
    taps: Any, bias: Any, floor: Any, y: Any, shares: Any, first: int, last: int,
) -> None:  # fmt: skip
    """y[n, p · stride + tap] = max(bias + Σ x[n, p] W[tap], floor) for some images; nothing is written outside.

    Args:
        x: (N, seen · C).
        packed: The filters (C, taps · O) as `kusari_numpy.compiled.product.pack_all` writes them.
        seen: Of x, along three axes.
        size: Of y, likewise.
        stride: Likewise.
        taps: Distances along three axes to what a pixel gives to; some may be below zero.
        bias: (O,).
        floor: Nothing in y is below it.
        y: (N, size · O).
        shares: Scratch memory: for some lines of x, taps · O numbers a pixel.
        first: Number of an image.
        last: Number of the image after the last one.
    """
    lanes = REGISTERS.bytes // x.itemsize
    channels, width = len(bias), seen[2]
    depth = x.shape[1] // (seen[0] * seen[1] * width)
    columns, total = len(taps) * channels, seen[0] * seen[1]
    panels = -(-columns // lanes // WIDEST)
    held = len(shares) // (width * columns)
    for image in range(first, last):
        made = y[image]
        for number in range(len(made)):
            made[number] = bias[number % channels]
        for begin in range(0, total, held):
            some = min(held, total - begin)
            rows = x[image, begin * width * depth : (begin + some) * width * depth]
            into = shares[: some * width * columns]
            multiply_packed(rows, depth, packed, into, (depth, columns), (0, panels))
            for line in range(some):
                place = (begin + line) // seen[1], (begin + line) % seen[1]
                _add_line(into[line * width * columns :], place, width, size, stride, taps, channels, made)
        for number in range(len(made)):
            value = made[number]
            made[number] = floor if value < floor else value  # noqa: FURB136  # NaN stays NaN, whatever max() does


@jit
def _add_line(
    shares: Any, line: tuple[int, int], width: int, size: tuple[int, int, int], stride: tuple[int, int, int],
    taps: Any, channels: int, y: Any,
) -> None:  # fmt: skip
    """Add what a line of pixels gives through each tap."""
    columns, step = len(taps) * channels, stride[2] * channels
    for tap in range(len(taps)):
        d, h = line[0] * stride[0] + taps[tap, 0], line[1] * stride[1] + taps[tap, 1]
        if d < 0 or d >= size[0] or h < 0 or h >= size[1]:
            continue
        away = taps[tap, 2]
        begin = max(0, -(away // stride[2]))  # the first pixel that gives to one within the image
        end = min(width, (size[2] - 1 - away) // stride[2] + 1)
        at = ((d * size[1] + h) * size[2] + away) * channels
        for pixel in range(begin, end):
            into, source = np.uint64(at + pixel * step), np.uint64(pixel * columns + tap * channels)
            for c in range(np.uint64(channels)):
                y[into + c] += shares[source + c]
