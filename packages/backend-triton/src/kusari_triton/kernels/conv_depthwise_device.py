"""Depthwise convolution and its gradients in Triton: sums of products tap by tap, without matrix products."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
from __future__ import annotations

import triton
import triton.language as tl

from kusari_triton.kernels.conv_device import finish
from kusari_triton.kernels.conv_gradient_device import first_tap

# One text for one, two and three axes: the missing ones have length 1, which the compiler knows and folds. A tile is
# pixels × channels of one image format or another; every load goes through strides, as in conv_device.


@triton.jit
def place(pixel, images, depth, height, width):
    """Return where pixels lie: (image, plane, row, column, whether there is such a pixel)."""
    column = pixel % width
    row = (pixel // width) % height
    plane = (pixel // (width * height)) % depth
    image = (pixel // (width * height * depth)).to(tl.int64)
    return image, plane, row, column, pixel < images * depth * height * width


@triton.jit
def convolve_depthwise(
    x, W, b, y,
    images, depth, height, width, out_channels, out_depth, out_height, out_width,
    x_n, x_c, x_d, x_h, x_w, W_o, W_d, W_h, W_w, y_n, y_c, y_d, y_h, y_w,
    KERNEL_D: tl.constexpr, KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr,
    STRIDE_D: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_D: tl.constexpr, PAD_H: tl.constexpr, PAD_W: tl.constexpr,
    DILATE_D: tl.constexpr, DILATE_H: tl.constexpr, DILATE_W: tl.constexpr,
    MULTIPLIER: tl.constexpr, HAS_BIAS: tl.constexpr, RELU: tl.constexpr,
    BLOCK_PIXELS: tl.constexpr, BLOCK_OUT: tl.constexpr,
):  # fmt: skip
    """y[pixel, out] = activation(Σ x[pixel · stride + tap · dilate − pad, out / MULTIPLIER] W[out, tap] + b[out]).

    Outside the image x is 0.
    """
    pixel = tl.program_id(0) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)
    image, plane, row, column, real_pixel = place(pixel, images, out_depth, out_height, out_width)
    out = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    real_out = out < out_channels
    x_tile = (x + image * x_n)[:, None] + (out // MULTIPLIER * x_c)[None, :]
    total = tl.zeros((BLOCK_PIXELS, BLOCK_OUT), dtype=tl.float32)
    for tap in range(KERNEL_D * KERNEL_H * KERNEL_W):
        tap_d = tap // (KERNEL_H * KERNEL_W)
        tap_h = tap // KERNEL_W % KERNEL_H
        tap_w = tap % KERNEL_W
        in_d = plane * STRIDE_D + (tap_d * DILATE_D - PAD_D)
        in_h = row * STRIDE_H + (tap_h * DILATE_H - PAD_H)
        in_w = column * STRIDE_W + (tap_w * DILATE_W - PAD_W)
        inside = (
            real_pixel & (in_d >= 0) & (in_d < depth) & (in_h >= 0) & (in_h < height) & (in_w >= 0) & (in_w < width)
        )
        seen = tl.load(
            x_tile + (in_d * x_d + in_h * x_h + in_w * x_w)[:, None],
            mask=inside[:, None] & real_out[None, :],
            other=0.0,
        )
        weight = tl.load(W + (out * W_o + (tap_d * W_d + tap_h * W_h + tap_w * W_w)), mask=real_out, other=0.0)
        total += seen.to(tl.float32) * weight.to(tl.float32)[None, :]
    total = finish(total, b, out, real_out, HAS_BIAS, RELU)
    y_pixel = y + image * y_n + (plane * y_d + row * y_h + column * y_w)
    real = real_pixel[:, None] & real_out[None, :]
    tl.store(y_pixel[:, None] + (out * y_c)[None, :], total.to(y.dtype.element_ty), mask=real)


@triton.jit
def depthwise_gradient_of_input(
    gy, W, gx,
    images, channels, depth, height, width, out_depth, out_height, out_width,
    gy_n, gy_c, gy_d, gy_h, gy_w, W_o, W_d, W_h, W_w, gx_n, gx_c, gx_d, gx_h, gx_w,
    KERNEL_D: tl.constexpr, KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr,
    STRIDE_D: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_D: tl.constexpr, PAD_H: tl.constexpr, PAD_W: tl.constexpr,
    DILATE_D: tl.constexpr, DILATE_H: tl.constexpr, DILATE_W: tl.constexpr,
    STEP_D: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr, MULTIPLIER: tl.constexpr,
    BLOCK_PIXELS: tl.constexpr, BLOCK_IN: tl.constexpr,
):  # fmt: skip
    """gx[pixel, in] = Σ gy[(pixel + pad − tap · dilate) / stride, out] W[out, tap] over taps where that is whole.

    The sum is over the MULTIPLIER outputs of a channel too. A program works on the pixels of one phase of the stride,
    which share their taps: see ``gradient_of_input``.
    """
    phase = tl.program_id(2)
    phase_d = phase // (STRIDE_H * STRIDE_W)
    phase_h = phase // STRIDE_W % STRIDE_H
    phase_w = phase % STRIDE_W
    pixel = tl.program_id(0) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)
    image, plane, row, column, real_pixel = place(
        pixel, images, tl.cdiv(depth, STRIDE_D), tl.cdiv(height, STRIDE_H), tl.cdiv(width, STRIDE_W)
    )  # fmt: skip
    in_d, in_h, in_w = plane * STRIDE_D + phase_d, row * STRIDE_H + phase_h, column * STRIDE_W + phase_w
    real_pixel = real_pixel & (in_d < depth) & (in_h < height) & (in_w < width)
    channel = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
    real_channel = channel < channels

    first_d = first_tap(phase_d, KERNEL_D, STRIDE_D, PAD_D, DILATE_D)
    first_h = first_tap(phase_h, KERNEL_H, STRIDE_H, PAD_H, DILATE_H)
    first_w = first_tap(phase_w, KERNEL_W, STRIDE_W, PAD_W, DILATE_W)
    taps_d = tl.cdiv(KERNEL_D - first_d, STEP_D)
    taps_h = tl.cdiv(KERNEL_H - first_h, STEP_H)
    taps_w = tl.cdiv(KERNEL_W - first_w, STEP_W)
    gy_tile = (gy + image * gy_n)[:, None] + (channel * (MULTIPLIER * gy_c))[None, :]
    total = tl.zeros((BLOCK_PIXELS, BLOCK_IN), dtype=tl.float32)
    for step in range(taps_d * taps_h * taps_w * MULTIPLIER):
        tap = step // MULTIPLIER
        tap_d = first_d + tap // (taps_h * taps_w) * STEP_D
        tap_h = first_h + tap // taps_w % taps_h * STEP_H
        tap_w = first_w + tap % taps_w * STEP_W
        out_d = (in_d + (PAD_D - tap_d * DILATE_D)) // STRIDE_D  # without remainder, negative or not
        out_h = (in_h + (PAD_H - tap_h * DILATE_H)) // STRIDE_H
        out_w = (in_w + (PAD_W - tap_w * DILATE_W)) // STRIDE_W
        inside = real_pixel & (out_d >= 0) & (out_d < out_depth) & (out_h >= 0) & (out_h < out_height)
        inside = inside & (out_w >= 0) & (out_w < out_width)
        which = step % MULTIPLIER
        given = tl.load(
            gy_tile + (out_d * gy_d + out_h * gy_h + out_w * gy_w + which * gy_c)[:, None],
            mask=inside[:, None] & real_channel[None, :],
            other=0.0,
        )
        W_out = W + (channel * MULTIPLIER + which) * W_o
        weight = tl.load(W_out + (tap_d * W_d + tap_h * W_h + tap_w * W_w), mask=real_channel, other=0.0)
        total += given.to(tl.float32) * weight.to(tl.float32)[None, :]

    gx_pixel = gx + image * gx_n + (in_d * gx_d + in_h * gx_h + in_w * gx_w)
    into = gx_pixel[:, None] + (channel * gx_c)[None, :]
    tl.store(into, total.to(gx.dtype.element_ty), mask=real_pixel[:, None] & real_channel[None, :])


@triton.jit
def partial_depthwise_gradient_of_filters(
    x, gy, partial,
    images, depth, height, width, out_channels, out_depth, out_height, out_width, share,
    x_n, x_c, x_d, x_h, x_w, gy_n, gy_c, gy_d, gy_h, gy_w,
    KERNEL_D: tl.constexpr, KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr,
    STRIDE_D: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_D: tl.constexpr, PAD_H: tl.constexpr, PAD_W: tl.constexpr,
    DILATE_D: tl.constexpr, DILATE_H: tl.constexpr, DILATE_W: tl.constexpr, MULTIPLIER: tl.constexpr,
    BLOCK_TAPS: tl.constexpr, BLOCK_PIXELS: tl.constexpr, BLOCK_OUT: tl.constexpr,
):  # fmt: skip
    """partial[split, tap, out] = Σ x[pixel, tap, out / MULTIPLIER] gy[pixel, out] over the pixels of a split.

    Each pixel of a tile has a sum of its own until the end, so that a step costs no exchange between threads.
    """
    TAPS: tl.constexpr = KERNEL_D * KERNEL_H * KERNEL_W
    tap = tl.program_id(0) * BLOCK_TAPS + tl.arange(0, BLOCK_TAPS)
    real_tap = tap < TAPS
    tap_d = tap // (KERNEL_H * KERNEL_W) * DILATE_D - PAD_D
    tap_h = tap // KERNEL_W % KERNEL_H * DILATE_H - PAD_H
    tap_w = tap % KERNEL_W * DILATE_W - PAD_W
    out = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    real_out = out < out_channels
    split = tl.program_id(2)

    pixels = images * out_depth * out_height * out_width
    first = split * share
    stop = first + tl.minimum(share, pixels - first)
    total = tl.zeros((BLOCK_TAPS, BLOCK_PIXELS, BLOCK_OUT), dtype=tl.float32)
    for start in range(first, stop, BLOCK_PIXELS):
        pixel = start + tl.arange(0, BLOCK_PIXELS)
        real_pixel = pixel < stop
        image, plane, row, column, _ = place(pixel, images, out_depth, out_height, out_width)
        in_d = tap_d[:, None] + (plane * STRIDE_D)[None, :]
        in_h = tap_h[:, None] + (row * STRIDE_H)[None, :]
        in_w = tap_w[:, None] + (column * STRIDE_W)[None, :]
        inside = (in_d >= 0) & (in_d < depth) & (in_h >= 0) & (in_h < height) & (in_w >= 0) & (in_w < width)
        inside = inside & real_tap[:, None] & real_pixel[None, :]
        x_pixel = (x + image * x_n)[None, :] + (in_d * x_d + in_h * x_h + in_w * x_w)
        seen = tl.load(
            x_pixel[:, :, None] + (out // MULTIPLIER * x_c)[None, None, :],
            mask=inside[:, :, None] & real_out[None, None, :],
            other=0.0,
        )
        given = tl.load(
            (gy + image * gy_n + (plane * gy_d + row * gy_h + column * gy_w))[:, None] + (out * gy_c)[None, :],
            mask=real_pixel[:, None] & real_out[None, :],
            other=0.0,
        )
        total += seen.to(tl.float32) * given.to(tl.float32)[None, :, :]

    target = partial + (split * TAPS + tap)[:, None] * out_channels + out[None, :]
    tl.store(target, tl.sum(total, axis=1), mask=real_tap[:, None] & real_out[None, :])
