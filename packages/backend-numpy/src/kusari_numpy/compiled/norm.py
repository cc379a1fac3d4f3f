"""Normalization of each channel by its mean and variance, along rows (M, C) or planes (A, C, B) of memory.

Rows go by in blocks that stay in the cache, and planes run by run, so that the second pass of a variance reads no
memory again. What a block or run finds is put together by the caller, in a fixed order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit


@jit
def row_moments(x: Any, means: Any, squares: Any, first: int, last: int, rows: int) -> None:
    """Of blocks of ``rows`` rows: means[block, c], in double, and squares[block, c] = Σ (x − mean)²."""
    total, channels = x.shape
    centre = np.empty(channels, x.dtype)
    for block in range(first, last):
        start, stop = block * rows, min((block + 1) * rows, total)
        for c in range(channels):
            means[block, c] = 0
            squares[block, c] = 0
        # Four at a time, which float32 adds exactly enough; their sums need double: an error e of a block's mean adds
        # 2 e (mean − whole mean) to the variance.
        for row in range(start, stop - 3, 4):
            for c in range(channels):
                means[block, c] += (x[row, c] + x[row + 1, c]) + (x[row + 2, c] + x[row + 3, c])
        for row in range(stop - (stop - start) % 4, stop):
            for c in range(channels):
                means[block, c] += x[row, c]
        for c in range(channels):
            means[block, c] /= stop - start
            centre[c] = means[block, c]
        for row in range(start, stop):
            for c in range(channels):
                off = x[row, c] - centre[c]
                squares[block, c] += off * off
        for c in range(channels):
            off_mean = means[block, c] - centre[c]
            squares[block, c] -= (stop - start) * off_mean * off_mean


@jit
def plane_moments(x: Any, means: Any, squares: Any, first: int, last: int) -> None:
    """Of the runs numbered a · C + c: means[a, c], and squares[a, c] = Σ (x − mean)², summed in double."""
    channels, length = x.shape[1], x.shape[2]
    for run in range(first, last):
        a, c = run // channels, run % channels
        total, spread = 0.0, 0.0
        for b in range(length):
            total += x[a, c, b]
        mean = total / length
        for b in range(length):
            off = x[a, c, b] - mean
            spread += off * off
        means[a, c] = mean
        squares[a, c] = spread


@jit
def merge_moments(means: Any, squares: Any, count: int, members: int, mean: Any, var: Any) -> None:
    """Of each channel: the mean and the variance of all blocks, of ``count`` members each, the last of the rest."""
    blocks, channels = means.shape
    whole, spread = np.zeros(channels), np.zeros(channels)
    for block in range(blocks):
        size = min(count, members - block * count)
        for c in range(channels):
            whole[c] += size * means[block, c]
    for c in range(channels):
        whole[c] /= members
    for block in range(blocks):
        size = min(count, members - block * count)
        for c in range(channels):
            off = means[block, c] - whole[c]
            spread[c] += squares[block, c] + size * (off * off)
    for c in range(channels):
        mean[c] = whole[c]
        var[c] = spread[c] / members


@jit
def merge_sums(sums: Any, products: Any, members: int, gamma: Any, var: Any, eps: float, found: Any) -> None:
    """Of each channel, to ``found`` (5, C): the gradients of γ and β, and the factors of `row_gradient`."""
    blocks, channels = sums.shape
    total, product = np.zeros(channels), np.zeros(channels)
    for block in range(blocks):
        for c in range(channels):
            total[c] += sums[block, c]
            product[c] += products[block, c]
    for c in range(channels):
        inverse = 1 / np.sqrt(var[c] + eps)
        ggamma, scale = product[c] * inverse, gamma[c] * inverse
        found[0, c], found[1, c] = ggamma, total[c]
        found[2, c], found[3, c], found[4, c] = scale, scale / members * inverse * ggamma, scale / members * total[c]


@jit
def row_scale(x: Any, y: Any, mean: Any, scale: Any, shift: Any, floor: Any, first: int, last: int) -> None:
    """y = max(scale (x − mean) + shift, floor) for some rows; NaN passes."""
    channels = x.shape[1]
    for row in range(first, last):
        for c in range(channels):
            v = (x[row, c] - mean[c]) * scale[c] + shift[c]
            y[row, c] = floor if v < floor else v  # noqa: FURB136


@jit
def plane_scale(x: Any, y: Any, mean: Any, scale: Any, shift: Any, floor: Any, first: int, last: int) -> None:
    """y = max(scale (x − mean) + shift, floor) for some runs; NaN passes."""
    channels, length = x.shape[1], x.shape[2]
    for run in range(first, last):
        a, c = run // channels, run % channels
        off, by, to = mean[c], scale[c], shift[c]
        for b in range(length):
            v = (x[a, c, b] - off) * by + to
            y[a, c, b] = floor if v < floor else v  # noqa: FURB136


@jit
def row_sums(
    x: Any, y: Any, gy: Any, mean: Any, sums: Any, products: Any, first: int, last: int, rows: int, rectified: bool
) -> None:
    """Of blocks of rows: sums[block, c] = Σ g and products[block, c] = Σ g (x − mean).

    g is gy, and where ``rectified`` 0 unless y > 0.
    """
    total, channels = x.shape
    zero = x.dtype.type(0)
    for block in range(first, last):
        for c in range(channels):
            sums[block, c] = 0
            products[block, c] = 0
        for row in range(block * rows, min((block + 1) * rows, total)):
            for c in range(channels):
                g = gy[row, c] if not rectified or y[row, c] > 0 else zero
                sums[block, c] += g
                products[block, c] += g * (x[row, c] - mean[c])


@jit
def plane_sums(
    x: Any, y: Any, gy: Any, mean: Any, sums: Any, products: Any, first: int, last: int, rectified: bool
) -> None:
    """Of the runs numbered a · C + c: sums[a, c] = Σ g and products[a, c] = Σ g (x − mean), summed in double."""
    channels, length = x.shape[1], x.shape[2]
    zero = x.dtype.type(0)
    for run in range(first, last):
        a, c = run // channels, run % channels
        off, total, product = mean[c], 0.0, 0.0
        for b in range(length):
            g = gy[a, c, b] if not rectified or y[a, c, b] > 0 else zero
            total += g
            product += g * (x[a, c, b] - off)
        sums[a, c] = total
        products[a, c] = product


@jit
def row_gradient(
    x: Any, y: Any, gy: Any, gx: Any, mean: Any, factors: tuple[Any, Any, Any], first: int, last: int, rectified: bool
) -> None:
    """gx = k g − u (x − mean) − w for some rows, with (k, u, w) = ``factors`` of each channel."""
    channels = x.shape[1]
    k, u, w = factors
    zero = x.dtype.type(0)
    for row in range(first, last):
        for c in range(channels):
            g = gy[row, c] if not rectified or y[row, c] > 0 else zero
            gx[row, c] = k[c] * g - u[c] * (x[row, c] - mean[c]) - w[c]


@jit
def plane_gradient(
    x: Any, y: Any, gy: Any, gx: Any, mean: Any, factors: tuple[Any, Any, Any], first: int, last: int, rectified: bool
) -> None:
    """gx = k g − u (x − mean) − w for some runs, with (k, u, w) = ``factors`` of each channel."""
    channels, length = x.shape[1], x.shape[2]
    zero = x.dtype.type(0)
    for run in range(first, last):
        a, c = run // channels, run % channels
        off, k, u, w = mean[c], factors[0][c], factors[1][c], factors[2][c]
        for b in range(length):
            g = gy[a, c, b] if not rectified or y[a, c, b] > 0 else zero
            gx[a, c, b] = k * g - u * (x[a, c, b] - off) - w
