"""A convolution and the 1×1 convolutions after it in one Triton kernel: a pixel's channels stay on the chip."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
from __future__ import annotations

import triton
import triton.language as tl

from kusari_triton.kernels.conv_device import finish, locate, sum_by_tap, sum_flat


@triton.jit
def convolve_stack(
    x, W1, b1, W2, b2, W3, b3, hidden1, hidden2, y,
    images, channels, height, width, out_height, out_width,
    x_n, x_c, x_h, x_w, W1_o, W1_c, W1_h, W1_w,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, DILATE_H: tl.constexpr, DILATE_W: tl.constexpr,
    WIDTH1: tl.constexpr, WIDTH2: tl.constexpr, WIDTH3: tl.constexpr,
    RELU: tl.constexpr, RELU_OUTPUT: tl.constexpr, KEEP: tl.constexpr, BY_TAP: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_PIXELS: tl.constexpr, BLOCK_1: tl.constexpr, BLOCK_2: tl.constexpr,
    BLOCK_3: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """y = output(W3 · activation(W2 · activation(x ⋆ W1 + b1) + b2) + b3); without W3 where WIDTH3 is 0.

    A program computes BLOCK_1 channels of the first convolution at a time, multiplies them at once into all WIDTH2
    sums of its pixels, and forgets them: no more than BLOCK_1 + BLOCK_2 numbers a pixel are ever held. W2 and W3 are
    dense (O, C); hidden1, hidden2 and y dense (pixels, channels).
    """
    image, row, column, real_pixel = locate(BLOCK_PIXELS, images, out_height, out_width)
    pixel = tl.program_id(0).to(tl.int64) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)
    x_pixel = x + image * x_n
    out2 = tl.arange(0, BLOCK_2)
    real2 = out2 < WIDTH2
    total2 = tl.zeros((BLOCK_PIXELS, BLOCK_2), dtype=tl.float32)
    for start in range(0, WIDTH1, BLOCK_1):
        out1 = start + tl.arange(0, BLOCK_1)
        real1 = out1 < WIDTH1
        if BY_TAP:
            total1 = sum_by_tap(
                x_pixel, W1 + out1 * W1_o, row, column, real_pixel, real1, channels, height, width,
                x_c, x_h, x_w, W1_c, W1_h, W1_w,
                KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W, PAD_H, PAD_W, DILATE_H, DILATE_W,
                PRECISION, BLOCK_PIXELS, BLOCK_1, BLOCK_K,
            )  # fmt: skip
        else:
            total1 = sum_flat(
                x_pixel, W1 + out1 * W1_o, row, column, real_pixel, real1, channels, height, width,
                x_c, x_h, x_w, W1_c, W1_h, W1_w,
                KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W, PAD_H, PAD_W, DILATE_H, DILATE_W,
                PRECISION, BLOCK_PIXELS, BLOCK_1, BLOCK_K,
            )  # fmt: skip
        h1 = rounded(finish(total1, b1, out1, real1, True, RELU), real1, W2)
        if KEEP:
            place = pixel[:, None] * WIDTH1 + out1[None, :]
            tl.store(hidden1 + place, h1, mask=real_pixel[:, None] & real1[None, :])
        total2 = tl.dot(h1, transposed(W2, out1, real1, out2, real2, WIDTH1), total2, input_precision=PRECISION)
    real = real_pixel[:, None] & real2[None, :]
    if WIDTH3 == 0:
        total2 = finish(total2, b2, out2, real2, True, RELU_OUTPUT)
        tl.store(y + (pixel[:, None] * WIDTH2 + out2[None, :]), total2.to(y.dtype.element_ty), mask=real)
    else:
        h2 = rounded(finish(total2, b2, out2, real2, True, RELU), real2, W3)
        if KEEP:
            tl.store(hidden2 + (pixel[:, None] * WIDTH2 + out2[None, :]), h2, mask=real)
        for start in range(0, WIDTH3, BLOCK_3):
            out3 = start + tl.arange(0, BLOCK_3)
            real3 = out3 < WIDTH3
            total3 = tl.dot(h2, transposed(W3, out2, real2, out3, real3, WIDTH2), input_precision=PRECISION)
            total3 = finish(total3, b3, out3, real3, True, RELU_OUTPUT)
            place = pixel[:, None] * WIDTH3 + out3[None, :]
            tl.store(y + place, total3.to(y.dtype.element_ty), mask=real_pixel[:, None] & real3[None, :])


@triton.jit
def rounded(total, real, W):
    """Return sums in the filters' dtype; channels that are none are 0, or infinities times 0 would spread from them."""
    return tl.where(real[None, :], total, 0.0).to(W.dtype.element_ty)


@triton.jit
def transposed(W, c, real_c, o, real_o, CHANNELS: tl.constexpr):
    """Return a tile (c, o) of dense filters (O, CHANNELS)."""
    return tl.load(W + o[None, :] * CHANNELS + c[:, None], mask=real_c[:, None] & real_o[None, :], other=0.0)
