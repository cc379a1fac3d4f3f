"""The convolution kernels in Triton: implicit GEMM, output pixels × output channels."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
from __future__ import annotations

import triton
import triton.language as tl

# k runs over window × channels. The column matrix is never built: each step gathers a (BLOCK_PIXELS, BLOCK_K) tile of x
# through its strides, so that NCHW, channels-last and sliced inputs are the same code. Strides are in elements; the
# offsets inside an image fit 32 bits (the launcher sees to it), those between images need not.


@triton.jit
def locate(PIXELS: tl.constexpr, images, out_height, out_width):
    """Return this program's output pixels: (image, row, column, whether there is such a pixel)."""
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    column = pixel % out_width
    row = (pixel // out_width) % out_height
    image = (pixel // (out_width * out_height)).to(tl.int64)
    return image, row, column, pixel < images * out_height * out_width


@triton.jit
def finish(total, b, out, real_out, HAS_BIAS: tl.constexpr, RELU: tl.constexpr):
    """Add the bias and apply the activation, in float32."""
    if HAS_BIAS:
        total += tl.load(b + out, mask=real_out, other=0.0).to(tl.float32)[None, :]
    if RELU:
        total = tl.where(total < 0, 0.0, total)  # not maximum(total, 0): NaN must pass
    return total


@triton.jit
def sum_by_tap(
    x_pixel, W_out, row, column, real_pixel, real_out, channels, height, width, x_c, x_h, x_w, W_c, W_h, W_w,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, DILATE_H: tl.constexpr, DILATE_W: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_PIXELS: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Sum over window taps, and within a tap over blocks of channels: for 16 channels a group and more.

    A tap is one for the whole tile, so that a step divides nothing and loads run along channels.
    """
    top = row * STRIDE_H - PAD_H
    left = column * STRIDE_W - PAD_W
    channel_blocks = tl.cdiv(channels, BLOCK_K)
    total = tl.zeros((BLOCK_PIXELS, BLOCK_OUT), dtype=tl.float32)
    for step in range(KERNEL_H * KERNEL_W * channel_blocks):
        tap = step // channel_blocks
        tap_h = tap // KERNEL_W
        tap_w = tap % KERNEL_W
        channel = (step % channel_blocks) * BLOCK_K + tl.arange(0, BLOCK_K)
        real_channel = channel < channels
        in_h = top + tap_h * DILATE_H
        in_w = left + tap_w * DILATE_W
        inside = real_pixel & (in_h >= 0) & (in_h < height) & (in_w >= 0) & (in_w < width)
        x_tile = tl.load(
            (x_pixel + (in_h * x_h + in_w * x_w))[:, None] + (channel * x_c)[None, :],
            mask=inside[:, None] & real_channel[None, :],
            other=0.0,
        )
        W_tile = tl.load(
            (W_out + (tap_h * W_h + tap_w * W_w))[None, :] + (channel * W_c)[:, None],
            mask=real_channel[:, None] & real_out[None, :],
            other=0.0,
        )
        total = tl.dot(x_tile, W_tile, total, input_precision=PRECISION)
    return total


@triton.jit
def sum_flat(
    x_pixel, W_out, row, column, real_pixel, real_out, channels, height, width, x_c, x_h, x_w, W_c, W_h, W_w,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, DILATE_H: tl.constexpr, DILATE_W: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_PIXELS: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Sum over one axis of channels × taps: for few channels a group, where a block of one tap is mostly empty.

    With 3 channels and a 5×5 window, 75 products fill five steps of 16; tap by tap they would take 25.
    """
    top = row * STRIDE_H - PAD_H
    left = column * STRIDE_W - PAD_W
    products = channels * (KERNEL_H * KERNEL_W)
    total = tl.zeros((BLOCK_PIXELS, BLOCK_OUT), dtype=tl.float32)
    for start in range(0, products, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        real_k = k < products
        tap_w = k % KERNEL_W
        tap_h = (k // KERNEL_W) % KERNEL_H
        channel = k // (KERNEL_H * KERNEL_W)
        in_h = top[:, None] + (tap_h * DILATE_H)[None, :]
        in_w = left[:, None] + (tap_w * DILATE_W)[None, :]
        inside = (in_h >= 0) & (in_h < height) & (in_w >= 0) & (in_w < width)
        x_tile = tl.load(
            x_pixel[:, None] + ((channel * x_c)[None, :] + in_h * x_h + in_w * x_w),
            mask=inside & real_pixel[:, None] & real_k[None, :],
            other=0.0,
        )
        W_tile = tl.load(
            W_out[None, :] + (channel * W_c + tap_h * W_h + tap_w * W_w)[:, None],
            mask=real_k[:, None] & real_out[None, :],
            other=0.0,
        )
        total = tl.dot(x_tile, W_tile, total, input_precision=PRECISION)
    return total


@triton.jit
def convolve(
    x, W, b, y,
    images, channels, height, width, out_channels, out_height, out_width,
    x_n, x_c, x_h, x_w, W_o, W_c, W_h, W_w, y_n, y_c, y_h, y_w,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, DILATE_H: tl.constexpr, DILATE_W: tl.constexpr,
    HAS_BIAS: tl.constexpr, RELU: tl.constexpr, BY_TAP: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_PIXELS: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """y[pixel, out] = activation(Σ_k x[pixel, k] W[k, out] + b[out])."""
    image, row, column, real_pixel = locate(BLOCK_PIXELS, images, out_height, out_width)
    out = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    real_out = out < out_channels
    group = tl.program_id(2).to(tl.int64)
    group_out = group * out_channels + out
    x_pixel = x + group * channels * x_c + image * x_n
    W_out = W + group_out * W_o
    if BY_TAP:
        total = sum_by_tap(
            x_pixel, W_out, row, column, real_pixel, real_out, channels, height, width, x_c, x_h, x_w, W_c, W_h, W_w,
            KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W, PAD_H, PAD_W, DILATE_H, DILATE_W,
            PRECISION, BLOCK_PIXELS, BLOCK_OUT, BLOCK_K,
        )  # fmt: skip
    else:
        total = sum_flat(
            x_pixel, W_out, row, column, real_pixel, real_out, channels, height, width, x_c, x_h, x_w, W_c, W_h, W_w,
            KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W, PAD_H, PAD_W, DILATE_H, DILATE_W,
            PRECISION, BLOCK_PIXELS, BLOCK_OUT, BLOCK_K,
        )  # fmt: skip
    total = finish(total, b, group_out, real_out, HAS_BIAS, RELU)
    y_pixel = y + image * y_n + (row * y_h + column * y_w)
    real = real_pixel[:, None] & real_out[None, :]
    tl.store(y_pixel[:, None] + (group_out * y_c)[None, :], total.to(y.dtype.element_ty), mask=real)
