"""The convolution's gradients in Triton: of the input by stride phases, of the filters by split sums."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
from __future__ import annotations

import triton
import triton.language as tl

from kusari_triton.kernels.conv_device import locate


@triton.jit
def first_tap(phase, KERNEL: tl.constexpr, STRIDE: tl.constexpr, PAD: tl.constexpr, DILATE: tl.constexpr):
    """Return the first tap that an input pixel of this phase is seen through, or KERNEL where there is none."""
    first = tl.full((), KERNEL, tl.int32)
    for back in tl.static_range(1, KERNEL + 1):
        first = tl.where((phase + PAD) % STRIDE == (KERNEL - back) * DILATE % STRIDE, KERNEL - back, first)
    return first


@triton.jit
def gradient_of_input(
    gy, W, gx,
    images, channels, height, width, out_channels, out_height, out_width,
    gy_n, gy_c, gy_h, gy_w, W_o, W_c, W_h, W_w, gx_n, gx_c, gx_h, gx_w,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, DILATE_H: tl.constexpr, DILATE_W: tl.constexpr,
    STEP_H: tl.constexpr, STEP_W: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_PIXELS: tl.constexpr, BLOCK_IN: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """gx[pixel, in] = Σ gy[(pixel + pad − tap · dilate) / stride, out] W[out, in, tap] over taps where that is whole.

    Input pixels at equal distance modulo the stride, a phase, share their taps: a program works on one phase, and
    each of its products counts. Of all pixels and all taps, a stride of 2 would multiply three zeros of four.
    """
    phase = tl.program_id(2) % (STRIDE_H * STRIDE_W)
    group = (tl.program_id(2) // (STRIDE_H * STRIDE_W)).to(tl.int64)
    phase_h = phase // STRIDE_W
    phase_w = phase % STRIDE_W
    image, row, column, real_pixel = locate(
        BLOCK_PIXELS, images, tl.cdiv(height, STRIDE_H), tl.cdiv(width, STRIDE_W)
    )  # fmt: skip
    in_h = row * STRIDE_H + phase_h
    in_w = column * STRIDE_W + phase_w
    real_pixel = real_pixel & (in_h < height) & (in_w < width)
    channel = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
    real_channel = channel < channels

    first_h = first_tap(phase_h, KERNEL_H, STRIDE_H, PAD_H, DILATE_H)
    first_w = first_tap(phase_w, KERNEL_W, STRIDE_W, PAD_W, DILATE_W)
    taps_h = tl.cdiv(KERNEL_H - first_h, STEP_H)
    taps_w = tl.cdiv(KERNEL_W - first_w, STEP_W)
    gy_pixel = gy + group * out_channels * gy_c + image * gy_n
    W_channel = W + group * out_channels * W_o + channel * W_c
    out_blocks = tl.cdiv(out_channels, BLOCK_K)
    total = tl.zeros((BLOCK_PIXELS, BLOCK_IN), dtype=tl.float32)
    for step in range(taps_h * taps_w * out_blocks):
        tap = step // out_blocks
        tap_h = first_h + (tap // taps_w) * STEP_H
        tap_w = first_w + (tap % taps_w) * STEP_W
        out = (step % out_blocks) * BLOCK_K + tl.arange(0, BLOCK_K)
        real_out = out < out_channels
        out_h = (in_h + PAD_H - tap_h * DILATE_H) // STRIDE_H  # without remainder, negative or not
        out_w = (in_w + PAD_W - tap_w * DILATE_W) // STRIDE_W
        inside = real_pixel & (out_h >= 0) & (out_h < out_height) & (out_w >= 0) & (out_w < out_width)
        gy_tile = tl.load(
            (gy_pixel + (out_h * gy_h + out_w * gy_w))[:, None] + (out * gy_c)[None, :],
            mask=inside[:, None] & real_out[None, :],
            other=0.0,
        )
        W_tile = tl.load(
            (W_channel + (tap_h * W_h + tap_w * W_w))[None, :] + (out * W_o)[:, None],
            mask=real_out[:, None] & real_channel[None, :],
            other=0.0,
        )
        total = tl.dot(gy_tile, W_tile, total, input_precision=PRECISION)

    gx_pixel = gx + image * gx_n + (in_h * gx_h + in_w * gx_w)
    group_channel = group * channels + channel
    real = real_pixel[:, None] & real_channel[None, :]
    tl.store(gx_pixel[:, None] + (group_channel * gx_c)[None, :], total.to(gx.dtype.element_ty), mask=real)


@triton.jit
def partial_gradient_of_filters(
    x, gy, partial,
    images, channels, height, width, out_channels, out_height, out_width, groups, share,
    x_n, x_c, x_h, x_w, gy_n, gy_c, gy_h, gy_w,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, DILATE_H: tl.constexpr, DILATE_W: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_ROWS: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """partial[split, group, row, out] = Σ x[pixel, row] gy[pixel, out] over the ``share`` output pixels of a split.

    A row is a tap and a channel of the group, channels fastest. Products are few and pixels many: without splits the
    filters of a small layer would keep a handful of multiprocessors busy.
    """
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    rows = channels * (KERNEL_H * KERNEL_W)
    real_row = row < rows
    channel = row % channels
    tap = row // channels
    tap_h = tap // KERNEL_W * DILATE_H - PAD_H
    tap_w = tap % KERNEL_W * DILATE_W - PAD_W
    out = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    real_out = out < out_channels
    split = tl.program_id(2) // groups
    group = (tl.program_id(2) % groups).to(tl.int64)

    x_row = x + group * channels * x_c + channel * x_c
    gy_out = gy + group * out_channels * gy_c + out * gy_c
    pixels = images * out_height * out_width
    first = split * share
    stop = first + tl.minimum(share, pixels - first)
    total = tl.zeros((BLOCK_ROWS, BLOCK_OUT), dtype=tl.float32)
    for start in range(first, stop, BLOCK_K):
        pixel = start + tl.arange(0, BLOCK_K)
        real_pixel = pixel < stop
        out_w = pixel % out_width
        out_h = (pixel // out_width) % out_height
        image = (pixel // (out_width * out_height)).to(tl.int64)
        in_h = tap_h[:, None] + (out_h * STRIDE_H)[None, :]
        in_w = tap_w[:, None] + (out_w * STRIDE_W)[None, :]
        inside = (in_h >= 0) & (in_h < height) & (in_w >= 0) & (in_w < width)
        x_tile = tl.load(
            x_row[:, None] + (image * x_n)[None, :] + (in_h * x_h + in_w * x_w),
            mask=inside & real_row[:, None] & real_pixel[None, :],
            other=0.0,
        )
        gy_tile = tl.load(
            gy_out[None, :] + (image * gy_n + (out_h * gy_h + out_w * gy_w))[:, None],
            mask=real_pixel[:, None] & real_out[None, :],
            other=0.0,
        )
        total = tl.dot(x_tile, gy_tile, total, input_precision=PRECISION)

    place = ((split * groups + group) * rows + row) * out_channels
    tl.store(partial + place[:, None] + out[None, :], total, mask=real_row[:, None] & real_out[None, :])


@triton.jit
def add_partial_gradients(
    partial, gW, splits, taps, channels, out_channels, groups, BLOCK: tl.constexpr
):  # fmt: skip
    """gW[group out, channel, tap] = Σ partial[split, group, tap channel, out], split after split.

    A program reads where partial results lie side by side; what is read ``splits`` times is worth more than what is
    written once.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    size = groups * taps * channels * out_channels
    real = place < size
    out = place % out_channels
    channel = (place // out_channels) % channels
    tap = (place // (out_channels * channels)) % taps
    group = place // (out_channels * channels * taps)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    source = partial + place
    for _ in range(splits):
        total += tl.load(source, mask=real, other=0.0)
        source += size
    target = ((group * out_channels + out) * channels + channel) * taps + tap
    tl.store(gW + target, total.to(gW.dtype.element_ty), mask=real)
