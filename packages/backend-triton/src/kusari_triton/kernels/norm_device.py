"""Batch normalization in Triton: statistics and gradients by partial results that are combined in a fixed order."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
from __future__ import annotations

import triton
import triton.language as tl

from kusari_triton.kernels.walk_device import around

# x is walked as (before, channels, behind); m runs over the members of a channel, before × behind. A tile is
# (BLOCK_M, BLOCK_C): many channels where they lie side by side (channels-last), one where members do. Statistics and
# parameters are dense and float32; what has 16 bits is widened as it is read.


@triton.jit
def place(channels, BLOCK_C: tl.constexpr):
    """Return which piece of the members is this program's, its channels, and whether there are such channels."""
    blocks = tl.cdiv(channels, BLOCK_C)
    channel = (tl.program_id(0) % blocks) * BLOCK_C + tl.arange(0, BLOCK_C)
    return tl.program_id(0) // blocks, channel, channel < channels


@triton.jit
def partial_moments(
    x, partial, members, channels, behind, share, splits, x_before, x_along, x_behind,
    BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Mean and sum of squares around it, of each channel's members in one split, to partial (2, splits, channels).

    Each lane keeps a mean of its own (Welford, 1962); at the end lanes are combined as splits are, by
    `combine_moments`. E[x²] − E[x]² would lose all digits of float32 where the mean is 3000 deviations away from 0.
    """
    split, channel, real_channel = place(channels, BLOCK_C)
    first = split * share
    stop = first + tl.minimum(share, members - first)
    lane = tl.arange(0, BLOCK_M)
    x_channel = x + channel.to(tl.int64)[None, :] * x_along
    mean = tl.zeros((BLOCK_M, BLOCK_C), dtype=tl.float32)
    square = tl.zeros((BLOCK_M, BLOCK_C), dtype=tl.float32)
    seen = 0.0
    for start in range(first, stop, BLOCK_M):
        m = start + lane
        real = (m < stop)[:, None] & real_channel[None, :]
        source = x_channel + around(m, behind, x_before, x_behind)[:, None]
        value = tl.load(source, mask=real, other=0.0).to(tl.float32)
        seen += 1.0
        apart = tl.where(real, value - mean, 0.0)  # lanes without a number end with the loop
        mean += apart * (1.0 / seen)
        square += apart * (value - mean)
    count = tl.maximum(tl.cdiv(stop - first - lane, BLOCK_M), 0).to(tl.float32)[:, None]
    total = (stop - first).to(tl.float32)
    centre = tl.sum(mean * count, axis=0) / total
    apart = mean - centre[None, :]
    square = tl.sum(square + count * apart * apart, axis=0)
    tl.store(partial + split.to(tl.int64) * channels + channel, centre, mask=real_channel)
    tl.store(partial + (splits + split).to(tl.int64) * channels + channel, square, mask=real_channel)


@triton.jit
def part(partial, row, channel, channels, real):
    """Return rows of partial results, 0 where there are none."""
    return tl.load(partial + row.to(tl.int64)[:, None] * channels + channel[None, :], mask=real, other=0.0)


@triton.jit
def combine_moments(partial, mean, var, members, channels, share, splits, BLOCK_S: tl.constexpr, BLOCK_C: tl.constexpr):
    """Mean and variance of each channel from those of its splits (Chan, Golub, LeVeque, 1983)."""
    channel = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    split = tl.arange(0, BLOCK_S)
    real = (split < splits)[:, None] & (channel < channels)[None, :]
    count = tl.where(split < splits, tl.minimum(share, members - split * share), 0).to(tl.float32)[:, None]
    centre = part(partial, split, channel, channels, real)
    square = part(partial, splits + split, channel, channels, real)
    whole = tl.sum(centre * count, axis=0) / members
    apart = centre - whole[None, :]
    square = tl.sum(square + count * apart * apart, axis=0)
    tl.store(mean + channel, whole, mask=channel < channels)
    tl.store(var + channel, square / members, mask=channel < channels)


@triton.jit
def normalize(
    x, gamma, beta, mean, var, y, eps, members, channels, behind,
    x_before, x_along, x_behind, y_before, y_along, y_behind,
    RELU: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """y = activation((x − mean) γ / √(var + ε) + β)."""
    piece, channel, real_channel = place(channels, BLOCK_C)
    m = piece * BLOCK_M + tl.arange(0, BLOCK_M)
    real = (m < members)[:, None] & real_channel[None, :]
    far = channel.to(tl.int64)[None, :]
    source = x + (around(m, behind, x_before, x_behind)[:, None] + far * x_along)
    value = tl.load(source, mask=real, other=0.0).to(tl.float32)
    deviation = tl.sqrt_rn(tl.load(var + channel, mask=real_channel, other=1.0) + eps)
    scale = tl.load(gamma + channel, mask=real_channel, other=0.0) / deviation
    centred = value - tl.load(mean + channel, mask=real_channel, other=0.0)[None, :]
    value = centred * scale[None, :] + tl.load(beta + channel, mask=real_channel, other=0.0)[None, :]
    if RELU:
        value = tl.where(value < 0, 0.0, value)  # not maximum(value, 0): NaN must pass
    target = y + (around(m, behind, y_before, y_behind)[:, None] + far * y_along)
    tl.store(target, value.to(y.dtype.element_ty), mask=real)


@triton.jit
def rectified(
    gy, y, m, channel, real, behind, gy_before, gy_along, gy_behind, y_before, y_along, y_behind, RELU: tl.constexpr
):
    """Return a tile of the output's gradient, after the derivative of the activation."""
    source = gy + (around(m, behind, gy_before, gy_behind)[:, None] + channel[None, :] * gy_along)
    g = tl.load(source, mask=real, other=0.0).to(tl.float32)
    if RELU:
        source = y + (around(m, behind, y_before, y_behind)[:, None] + channel[None, :] * y_along)
        g = tl.where(tl.load(source, mask=real, other=0.0).to(tl.float32) > 0, g, 0.0)
    return g


@triton.jit
def partial_sums(
    x, y, gy, mean, partial, members, channels, behind, share, splits,
    x_before, x_along, x_behind, y_before, y_along, y_behind, gy_before, gy_along, gy_behind,
    RELU: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Σ g and Σ g (x − mean) of each channel's members in one split, to partial (2, splits, channels)."""
    split, channel, real_channel = place(channels, BLOCK_C)
    first = split * share
    stop = first + tl.minimum(share, members - first)
    lane = tl.arange(0, BLOCK_M)
    far = channel.to(tl.int64)
    centre = tl.load(mean + channel, mask=real_channel, other=0.0)[None, :]
    total = tl.zeros((BLOCK_M, BLOCK_C), dtype=tl.float32)
    product = tl.zeros((BLOCK_M, BLOCK_C), dtype=tl.float32)
    for start in range(first, stop, BLOCK_M):
        m = start + lane
        real = (m < stop)[:, None] & real_channel[None, :]
        g = rectified(
            gy, y, m, far, real, behind, gy_before, gy_along, gy_behind, y_before, y_along, y_behind, RELU
        )  # fmt: skip
        source = x + (around(m, behind, x_before, x_behind)[:, None] + far[None, :] * x_along)
        value = tl.load(source, mask=real, other=0.0).to(tl.float32)
        total += g
        product += tl.where(real, g * (value - centre), 0.0)
    total = tl.sum(total, axis=0)
    product = tl.sum(product, axis=0)
    tl.store(partial + split.to(tl.int64) * channels + channel, total, mask=real_channel)
    tl.store(partial + (splits + split).to(tl.int64) * channels + channel, product, mask=real_channel)


@triton.jit
def combine_sums(
    partial, var, ggamma, gbeta, eps, channels, splits, BLOCK_S: tl.constexpr, BLOCK_C: tl.constexpr
):  # fmt: skip
    """The gradients of γ and β from the sums of their splits."""
    channel = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    real_channel = channel < channels
    split = tl.arange(0, BLOCK_S)
    real = (split < splits)[:, None] & real_channel[None, :]
    total = tl.sum(part(partial, split, channel, channels, real), axis=0)
    product = tl.sum(part(partial, splits + split, channel, channels, real), axis=0)
    deviation = tl.sqrt_rn(tl.load(var + channel, mask=real_channel, other=1.0) + eps)
    tl.store(gbeta + channel, total, mask=real_channel)
    tl.store(ggamma + channel, product / deviation, mask=real_channel)


@triton.jit
def gradient_of_normalized(
    x, y, gy, gx, gamma, mean, var, ggamma, gbeta, eps, members, channels, behind,
    x_before, x_along, x_behind, y_before, y_along, y_behind, gy_before, gy_along, gy_behind,
    gx_before, gx_along, gx_behind,
    RELU: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """gx = γ/σ (g − gβ/members − (x − mean)/σ · gγ/members), with σ = √(var + ε)."""
    piece, channel, real_channel = place(channels, BLOCK_C)
    m = piece * BLOCK_M + tl.arange(0, BLOCK_M)
    real = (m < members)[:, None] & real_channel[None, :]
    far = channel.to(tl.int64)
    inverse = 1.0 / tl.sqrt_rn(tl.load(var + channel, mask=real_channel, other=1.0) + eps)
    scale = tl.load(gamma + channel, mask=real_channel, other=0.0) * inverse
    share = scale / members
    slope = share * inverse * tl.load(ggamma + channel, mask=real_channel, other=0.0)
    shift = share * tl.load(gbeta + channel, mask=real_channel, other=0.0)
    centre = tl.load(mean + channel, mask=real_channel, other=0.0)
    g = rectified(
        gy, y, m, far, real, behind, gy_before, gy_along, gy_behind, y_before, y_along, y_behind, RELU
    )  # fmt: skip
    source = x + (around(m, behind, x_before, x_behind)[:, None] + far[None, :] * x_along)
    centred = tl.load(source, mask=real, other=0.0).to(tl.float32) - centre[None, :]
    value = g * scale[None, :] - centred * slope[None, :] - shift[None, :]
    target = gx + (around(m, behind, gx_before, gx_behind)[:, None] + far[None, :] * gx_along)
    tl.store(target, value.to(gx.dtype.element_ty), mask=real)
