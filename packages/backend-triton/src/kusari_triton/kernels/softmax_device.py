"""Softmax, its logarithm, softmax cross entropy and their gradients in Triton."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
from __future__ import annotations

import triton
import triton.language as tl

from kusari_triton.kernels.walk_device import around

# x is walked as (before, classes, behind); m runs over rows, before × behind. A program has BLOCK_M rows and goes
# through their classes BLOCK_C at a time, in float32; what it reads a second time, a few kilobytes, is in the cache.


@triton.jit
def tile_of(x, m, behind, first, rows, classes, step_before, step_along, step_behind, BLOCK_C: tl.constexpr):
    """Return where a tile (rows, classes from ``first``) lies, and what of it there is."""
    along = first + tl.arange(0, BLOCK_C)
    source = x + (around(m, behind, step_before, step_behind)[:, None] + along.to(tl.int64)[None, :] * step_along)
    return source, (m < rows)[:, None] & (along < classes)[None, :]


@triton.jit
def peaks_and_sums(
    x, m, behind, rows, classes, x_before, x_along, x_behind, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr
):
    """Return max x and Σ exp(x − max x) of each row, read once (Milakov, Gimelshein, 2018, arXiv:1805.02867)."""
    peak = tl.full((BLOCK_M,), -float("inf"), tl.float32)
    total = tl.zeros((BLOCK_M,), dtype=tl.float32)
    for first in range(0, classes, BLOCK_C):
        source, real = tile_of(x, m, behind, first, rows, classes, x_before, x_along, x_behind, BLOCK_C)
        value = tl.load(source, mask=real, other=-float("inf")).to(tl.float32)
        higher = tl.maximum(peak, tl.max(value, axis=1))
        level = tl.where(higher == -float("inf"), 0.0, higher)  # as long as all are −∞; NaN is in the sum
        total = total * tl.exp(peak - level) + tl.sum(tl.exp(value - level[:, None]), axis=1)
        peak = higher
    return peak, total


@triton.jit
def softmax_rows(
    x, y, rows, classes, behind, x_before, x_along, x_behind, y_before, y_along, y_behind,
    LOG: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """y = exp(x − max x) / Σ exp(x − max x) along the classes, or the logarithm of that."""
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    peak, total = peaks_and_sums(x, m, behind, rows, classes, x_before, x_along, x_behind, BLOCK_M, BLOCK_C)
    for first in range(0, classes, BLOCK_C):
        source, real = tile_of(x, m, behind, first, rows, classes, x_before, x_along, x_behind, BLOCK_C)
        value = tl.load(source, mask=real, other=0.0).to(tl.float32) - peak[:, None]
        if LOG:
            value -= tl.log(total)[:, None]
        else:
            value = tl.exp(value) / total[:, None]
        target, real = tile_of(y, m, behind, first, rows, classes, y_before, y_along, y_behind, BLOCK_C)
        tl.store(target, value.to(y.dtype.element_ty), mask=real)


@triton.jit
def softmax_gradient_rows(
    y, gy, gx, rows, classes, behind, y_before, y_along, y_behind, gy_before, gy_along, gy_behind,
    gx_before, gx_along, gx_behind, LOG: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """gx = y (gy − Σ gy y) along the classes; of the logarithm, gy − exp(y) Σ gy."""
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    total = tl.zeros((BLOCK_M,), dtype=tl.float32)
    for first in range(0, classes, BLOCK_C):
        source, real = tile_of(gy, m, behind, first, rows, classes, gy_before, gy_along, gy_behind, BLOCK_C)
        g = tl.load(source, mask=real, other=0.0).to(tl.float32)
        if not LOG:
            source, real = tile_of(y, m, behind, first, rows, classes, y_before, y_along, y_behind, BLOCK_C)
            g *= tl.load(source, mask=real, other=0.0).to(tl.float32)
        total += tl.sum(g, axis=1)
    for first in range(0, classes, BLOCK_C):
        source, real = tile_of(gy, m, behind, first, rows, classes, gy_before, gy_along, gy_behind, BLOCK_C)
        g = tl.load(source, mask=real, other=0.0).to(tl.float32)
        source, real = tile_of(y, m, behind, first, rows, classes, y_before, y_along, y_behind, BLOCK_C)
        value = tl.load(source, mask=real, other=0.0).to(tl.float32)
        if LOG:
            g -= tl.exp(value) * total[:, None]
        else:
            g = value * (g - total[:, None])
        target, real = tile_of(gx, m, behind, first, rows, classes, gx_before, gx_along, gx_behind, BLOCK_C)
        tl.store(target, g.to(gx.dtype.element_ty), mask=real)


@triton.jit
def cross_entropy(
    x, t, weight, peaks, sums, label, scale, loss, partial, ignored, rows, classes, behind, blocks,
    x_before, x_along, x_behind, t_before, t_along, t_behind, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The loss of each row, w[t] (log Σ eˣ − x[t]), and what backward wants: max x, Σ exp(x − max x), t and w[t].

    ``partial`` (2, blocks) gets this program's sums of losses and of labels that count. The row of a label that does
    not count has w = 0 whatever its scores are. A label out of range makes a loss that is no number.
    """
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    real = m < rows
    found = tl.load(t + around(m, behind, t_before, t_behind), mask=real, other=0).to(tl.int64)
    counted = real & (found != ignored)
    chosen = tl.where(counted, found, 0)
    inside = counted & (chosen >= 0) & (chosen < classes)
    peak, total = peaks_and_sums(x, m, behind, rows, classes, x_before, x_along, x_behind, BLOCK_M, BLOCK_C)
    source = x + (around(m, behind, x_before, x_behind) + chosen * x_along)
    score = tl.load(source, mask=inside, other=float("nan")).to(tl.float32)
    factor = tl.where(counted, 1.0, 0.0)
    if weight is not None:
        factor *= tl.load(weight + chosen, mask=inside, other=0.0).to(tl.float32)
    value = tl.where(counted, (peak - score + tl.log(total)) * factor, 0.0)
    tl.store(peaks + m, peak, mask=real)
    tl.store(sums + m, total, mask=real)
    tl.store(label + m, chosen, mask=real)
    tl.store(scale + m, factor, mask=real)
    if loss is not None:
        tl.store(loss + m, value.to(loss.dtype.element_ty), mask=real)
    if partial is not None:
        tl.store(partial + tl.program_id(0), tl.sum(value, axis=0))
        tl.store(partial + blocks + tl.program_id(0), tl.sum(counted.to(tl.float32), axis=0))


@triton.jit
def mean_of_losses(partial, loss, divisor, blocks, images, NORMALIZE: tl.constexpr, BLOCK: tl.constexpr):
    """Add up the blocks' losses in one order, and divide by how many labels count, at least 1, or by ``images``."""
    lane = tl.arange(0, BLOCK)
    losses = tl.zeros((BLOCK,), dtype=tl.float32)
    counts = tl.zeros((BLOCK,), dtype=tl.float32)
    for first in range(0, blocks, BLOCK):
        place = first + lane
        losses += tl.load(partial + place, mask=place < blocks, other=0.0)
        counts += tl.load(partial + blocks + place, mask=place < blocks, other=0.0)
    if NORMALIZE:
        count = tl.maximum(tl.sum(counts, axis=0), 1.0)
    else:
        count = tl.full((), 1.0, tl.float32) * images
    tl.store(loss, (tl.sum(losses, axis=0) / count).to(loss.dtype.element_ty))
    tl.store(divisor, count)


@triton.jit
def cross_entropy_gradient(
    x, peaks, sums, label, scale, divisor, gloss, gx, rows, classes, behind,
    x_before, x_along, x_behind, gloss_before, gloss_along, gloss_behind, gx_before, gx_along, gx_behind,
    BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """gx = (softmax(x) − 1ₜ) w[t] gloss, over the divisor where there is one; 0 where w[t] is."""
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    real_row = m < rows
    peak = tl.load(peaks + m, mask=real_row, other=0.0)
    inverse = 1.0 / tl.load(sums + m, mask=real_row, other=1.0)
    chosen = tl.load(label + m, mask=real_row, other=0)
    factor = tl.load(scale + m, mask=real_row, other=0.0)
    g = tl.load(gloss + around(m, behind, gloss_before, gloss_behind), mask=real_row, other=0.0)
    share = factor * g.to(tl.float32)
    if divisor is not None:
        share = share / tl.load(divisor)
    for first in range(0, classes, BLOCK_C):
        source, real = tile_of(x, m, behind, first, rows, classes, x_before, x_along, x_behind, BLOCK_C)
        value = tl.load(source, mask=real, other=0.0).to(tl.float32)
        value = tl.exp(value - peak[:, None]) * inverse[:, None]
        along = first + tl.arange(0, BLOCK_C)
        value -= tl.where(along[None, :] == chosen[:, None], 1.0, 0.0)
        value = tl.where((factor != 0)[:, None], value * share[:, None], 0.0)
        target, real = tile_of(gx, m, behind, first, rows, classes, gx_before, gx_along, gx_behind, BLOCK_C)
        tl.store(target, value.to(gx.dtype.element_ty), mask=real)
