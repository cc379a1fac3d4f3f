"""Normalization of each channel by its mean and variance, along rows (M, C) or planes (A, C, B) of memory.

Rows go by in blocks that stay in the cache, and planes run by run, so that the second pass of a variance reads no
memory again. What a block or run finds is put together by the caller, in a fixed order.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.together import together
from kusari_numpy.compiled.turns import go_on, is_last, take, wait

BLOCKS: Final = 4
"""Of rows in a piece of work: what neighbouring blocks find lies in the same cache lines."""
TAKEN, DONE, MERGED, TAKEN_THEN = range(4)
"""Counters: pieces of the first pass that threads have taken, and those done; whether that is put together; and pieces
of the second pass taken."""


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


@jit
def _pieces(x: Any, step: int) -> int:
    """Return how many pieces of work there are: some blocks of ``step`` rows, or ``step`` runs."""
    if x.ndim == 2:
        return -(-len(x) // (BLOCKS * step))
    return -(-x.shape[0] * x.shape[1] // step)


@jit
def _find_moments(piece: int, x: Any, means: Any, squares: Any, step: int) -> None:
    if x.ndim == 2:
        first = piece * BLOCKS
        row_moments(x, means, squares, first, min(first + BLOCKS, len(means)), step)
    else:
        first = piece * step
        plane_moments(x, means, squares, first, min(first + step, means.size))


@jit
def _merge_moments(x: Any, means: Any, squares: Any, step: int, members: int, mean: Any, var: Any) -> None:
    if x.ndim == 2:
        merge_moments(means, squares, step, members, mean, var)
    else:
        merge_moments(means, squares, x.shape[2], members, mean, var)


@jit
def _scale(piece: int, x: Any, y: Any, mean: Any, by: Any, beta: Any, floor: Any, step: int) -> None:
    if x.ndim == 2:
        first = piece * BLOCKS * step
        row_scale(x, y, mean, by, beta, floor, first, min(first + BLOCKS * step, len(x)))
    else:
        first = piece * step
        plane_scale(x, y, mean, by, beta, floor, first, min(first + step, len(x) * len(by)))


@jit
def _find_sums(
    piece: int, x: Any, y: Any, gy: Any, mean: Any, sums: Any, products: Any, step: int, rectified: bool
) -> None:
    if x.ndim == 2:
        first = piece * BLOCKS
        row_sums(x, y, gy, mean, sums, products, first, min(first + BLOCKS, len(sums)), step, rectified)
    else:
        first = piece * step
        plane_sums(x, y, gy, mean, sums, products, first, min(first + step, sums.size), rectified)


@jit
def _gradient(
    piece: int, x: Any, y: Any, gy: Any, gx: Any, mean: Any, factors: Any, step: int, rectified: bool
) -> None:
    if x.ndim == 2:
        first = piece * BLOCKS * step
        row_gradient(x, y, gy, gx, mean, factors, first, min(first + BLOCKS * step, len(x)), rectified)
    else:
        first = piece * step
        plane_gradient(x, y, gy, gx, mean, factors, first, min(first + step, len(x) * len(mean)), rectified)


@jit
def _moments(x: Any, mean: Any, var: Any, step: int, means: Any, squares: Any, members: int, turns: Any) -> None:
    count, piece = _pieces(x, step), take(turns, TAKEN)
    while piece < count:
        _find_moments(piece, x, means, squares, step)
        if is_last(turns, count, DONE):
            _merge_moments(x, means, squares, step, members, mean, var)
            go_on(turns, MERGED)
        piece = take(turns, TAKEN)


@jit
def _normalize(
    x: Any, y: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: Any, floor: Any, step: int, turns: Any
) -> None:
    by = np.empty_like(gamma)
    for c in range(len(by)):
        by[c] = gamma[c] / np.sqrt(var[c] + eps)
    count, piece = _pieces(x, step), take(turns, TAKEN_THEN)
    while piece < count:
        _scale(piece, x, y, mean, by, beta, floor, step)
        piece = take(turns, TAKEN_THEN)


@together
def moments(x: Any, mean: Any, var: Any, step: int, means: Any, squares: Any, members: int, turns: Any) -> None:
    """Find mean and variance of rows or planes: see `normalize`."""
    _moments(x, mean, var, step, means, squares, members, turns)


@together
def scale(
    x: Any, y: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: Any, floor: Any, step: int, turns: Any
) -> None:
    """y = max(γ (x − mean) / √(var + ε) + β, floor): see `normalize`."""
    _normalize(x, y, gamma, beta, mean, var, eps, floor, step, turns)


@together
def normalize(
    x: Any, y: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: Any, floor: Any, step: int, means: Any,
    squares: Any, members: int, turns: Any,
) -> None:  # fmt: skip
    """Normalize by mean and variance, which are found first; threads that find nothing more to do wait for these.

    Args:
        x: Rows (M, C) or planes (A, C, B).
        y: Likewise.
        gamma: Of each channel.
        beta: Likewise.
        mean: Where it goes.
        var: Where it goes.
        eps: ε.
        floor: Nothing in y is below it.
        step: Rows in a block, or runs in a piece of work.
        means: Where those of blocks or runs go.
        squares: Likewise, their sums of squares.
        members: Numbers that each mean is of.
        turns: Which pieces of work are taken.
    """
    _moments(x, mean, var, step, means, squares, members, turns)
    wait(turns, MERGED)
    _normalize(x, y, gamma, beta, mean, var, eps, floor, step, turns)


@together
def normalize_gradient(
    x: Any, y: Any, gy: Any, gx: Any, gamma: Any, mean: Any, var: Any, eps: Any, rectified: bool, step: int,
    sums: Any, products: Any, members: int, found: Any, turns: Any,
) -> None:  # fmt: skip
    """Write the gradient of x, and to ``found`` what `merge_sums` finds: as `normalize` goes about it."""
    factors, count = (found[2], found[3], found[4]), _pieces(x, step)
    piece = take(turns, TAKEN)
    while piece < count:
        _find_sums(piece, x, y, gy, mean, sums, products, step, rectified)
        if is_last(turns, count, DONE):
            merge_sums(sums, products, members, gamma, var, eps, found)
            go_on(turns, MERGED)
        piece = take(turns, TAKEN)
    wait(turns, MERGED)
    piece = take(turns, TAKEN_THEN)
    while piece < count:
        _gradient(piece, x, y, gy, gx, mean, factors, step, rectified)
        piece = take(turns, TAKEN_THEN)
