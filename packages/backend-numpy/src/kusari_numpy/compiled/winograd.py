"""The transforms of Winograd's F(4×4, 3×3), many channels at a time.

A 4×4 tile of y = x ⋆ w comes from a 6×6 patch of x: Y = Aᵀ[(G w Gᵀ) ∘ (Bᵀ X B)]A, 36 products where the definition has
144. Between the transforms lie 36 matrix products, one per place in the patch: V (36, tiles, C) · U (36, C, O).
Images are (N, H, W, C); a *strip* is a row of tiles, number n · (tiles down) + (tile row).
Source: Lavin & Gray, Fast Algorithms for Convolutional Neural Networks (2016).

Each transform is two loops over channels, first along the columns of a patch, then along its rows. They index whole
arrays: a view per row would cost more to make than a row of 64 channels takes to compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit


@jit
def to_patches(
    image: Any, patches: Any, first: int, last: int, down: int, across: int, pad: tuple[int, int], offset: int
) -> None:
    """V = Bᵀ X B for the strips ``first`` to ``last``; the first patch begins ``pad`` outside the image.

    Tiles are written from number ``offset`` of patches (36, tiles, C) on.
    """
    height, width, channels = image.shape[1:]
    half = np.empty((6, 6, channels), image.dtype)
    border = np.empty((6, 6, channels), image.dtype)
    for strip in range(first, last):
        source, top = image[strip // down], 4 * (strip % down) - pad[0]
        for b in range(across):
            left = 4 * b - pad[1]
            if top >= 0 and left >= 0 and top + 6 <= height and left + 6 <= width:
                _patch_columns(source, top, left, half)
            else:
                _cut(source, top, left, border)
                _patch_columns(border, 0, 0, half)
            _patch_rows(half, patches, offset + (strip - first) * across + b)


@jit
def _cut(source: Any, top: int, left: int, patch: Any) -> None:
    """Copy a patch that lies partly outside, with zeros there."""
    height, width, channels = source.shape
    for i in range(patch.shape[0]):
        for j in range(patch.shape[1]):
            if 0 <= top + i < height and 0 <= left + j < width:
                for c in range(channels):
                    patch[i, j, c] = source[top + i, left + j, c]
            else:
                for c in range(channels):
                    patch[i, j, c] = 0


@jit
def _patch_columns(x: Any, top: int, left: int, half: Any) -> None:
    """Half = Bᵀ X."""
    two, four, five = np.float32(2), np.float32(4), np.float32(5)
    for j in range(6):
        for c in range(half.shape[2]):
            d0, d1, d2 = x[top, left + j, c], x[top + 1, left + j, c], x[top + 2, left + j, c]
            d3, d4, d5 = x[top + 3, left + j, c], x[top + 4, left + j, c], x[top + 5, left + j, c]
            even, odd = d4 - four * d2, d3 - four * d1
            fourth, third = d4 - d2, two * (d3 - d1)
            half[0, j, c] = four * d0 - five * d2 + d4
            half[1, j, c] = even + odd
            half[2, j, c] = even - odd
            half[3, j, c] = fourth + third
            half[4, j, c] = fourth - third
            half[5, j, c] = four * d1 - five * d3 + d5


@jit
def _patch_rows(half: Any, patches: Any, v: int) -> None:
    """V = half B."""
    two, four, five = np.float32(2), np.float32(4), np.float32(5)
    for i in range(6):
        k = 6 * i
        for c in range(half.shape[2]):
            d0, d1, d2, d3, d4, d5 = (
                half[i, 0, c],
                half[i, 1, c],
                half[i, 2, c],
                half[i, 3, c],
                half[i, 4, c],
                half[i, 5, c],
            )
            even, odd = d4 - four * d2, d3 - four * d1
            fourth, third = d4 - d2, two * (d3 - d1)
            patches[k, v, c] = four * d0 - five * d2 + d4
            patches[k + 1, v, c] = even + odd
            patches[k + 2, v, c] = even - odd
            patches[k + 3, v, c] = fourth + third
            patches[k + 4, v, c] = fourth - third
            patches[k + 5, v, c] = four * d1 - five * d3 + d5


@jit
def from_products(products: Any, bias: Any, floor: Any, y: Any, first: int, last: int, down: int, across: int) -> None:
    """Y = max(Aᵀ M A + b, floor) for the strips ``first`` to ``last``."""
    height, width, channels = y.shape[1:]
    half = np.empty((4, 6, channels), y.dtype)
    border = np.empty((4, 4, channels), y.dtype)
    for strip in range(first, last):
        target, top = y[strip // down], 4 * (strip % down)
        for b in range(across):
            left = 4 * b
            _product_columns(products, (strip - first) * across + b, half)
            if top + 4 <= height and left + 4 <= width:
                _output_rows(half, bias, floor, target, top, left)
            else:
                _output_rows(half, bias, floor, border, 0, 0)
                for i in range(min(4, height - top)):
                    for j in range(min(4, width - left)):
                        for c in range(channels):
                            target[top + i, left + j, c] = border[i, j, c]


@jit
def _product_columns(products: Any, v: int, half: Any) -> None:
    """Half = Aᵀ M."""
    two, four, eight = np.float32(2), np.float32(4), np.float32(8)
    for j in range(6):
        for c in range(half.shape[2]):
            m0, m1, m2 = products[j, v, c], products[6 + j, v, c], products[12 + j, v, c]
            m3, m4, m5 = products[18 + j, v, c], products[24 + j, v, c], products[30 + j, v, c]
            near, nearer, far, farther = m1 + m2, m1 - m2, m3 + m4, m3 - m4
            half[0, j, c] = m0 + near + far
            half[1, j, c] = nearer + two * farther
            half[2, j, c] = near + four * far
            half[3, j, c] = nearer + eight * farther + m5


@jit
def _output_rows(half: Any, bias: Any, floor: Any, y: Any, top: int, left: int) -> None:
    """Y = max(half A + b, floor)."""
    two, four, eight = np.float32(2), np.float32(4), np.float32(8)
    for i in range(4):
        for c in range(half.shape[2]):
            m0, m1, m2, m3, m4, m5 = (
                half[i, 0, c],
                half[i, 1, c],
                half[i, 2, c],
                half[i, 3, c],
                half[i, 4, c],
                half[i, 5, c],
            )
            near, nearer, far, farther = m1 + m2, m1 - m2, m3 + m4, m3 - m4
            y0, y1 = m0 + near + far + bias[c], nearer + two * farther + bias[c]
            y2, y3 = near + four * far + bias[c], nearer + eight * farther + m5 + bias[c]
            y[top + i, left, c] = floor if y0 < floor else y0  # noqa: FURB136  # NaN stays NaN, which max() drops
            y[top + i, left + 1, c] = floor if y1 < floor else y1  # noqa: FURB136
            y[top + i, left + 2, c] = floor if y2 < floor else y2  # noqa: FURB136
            y[top + i, left + 3, c] = floor if y3 < floor else y3  # noqa: FURB136


@jit
def gradient_to_patches(gy: Any, patches: Any, first: int, last: int, down: int, across: int, offset: int) -> None:
    """D = A g Aᵀ for the strips ``first`` to ``last`` of gy (N, H, W, O): the transpose of `from_products`."""
    height, width, channels = gy.shape[1:]
    half = np.empty((6, 4, channels), gy.dtype)
    border = np.empty((4, 4, channels), gy.dtype)
    for strip in range(first, last):
        source, top = gy[strip // down], 4 * (strip % down)
        for b in range(across):
            left = 4 * b
            if top + 4 <= height and left + 4 <= width:
                _gradient_columns(source, top, left, half)
            else:
                _cut(source, top, left, border)
                _gradient_columns(border, 0, 0, half)
            _gradient_rows(half, patches, offset + (strip - first) * across + b)


@jit
def _gradient_columns(g: Any, top: int, left: int, half: Any) -> None:
    """Half = A g."""
    two, four, eight = np.float32(2), np.float32(4), np.float32(8)
    for j in range(4):
        for c in range(half.shape[2]):
            g0, g1 = g[top, left + j, c], g[top + 1, left + j, c]
            g2, g3 = g[top + 2, left + j, c], g[top + 3, left + j, c]
            even, odd, fourth, third = g0 + g2, g1 + g3, g0 + four * g2, two * g1 + eight * g3
            half[0, j, c] = g0
            half[1, j, c] = even + odd
            half[2, j, c] = even - odd
            half[3, j, c] = fourth + third
            half[4, j, c] = fourth - third
            half[5, j, c] = g3


@jit
def _gradient_rows(half: Any, patches: Any, v: int) -> None:
    """D = half Aᵀ."""
    two, four, eight = np.float32(2), np.float32(4), np.float32(8)
    for i in range(6):
        k = 6 * i
        for c in range(half.shape[2]):
            g0, g1, g2, g3 = half[i, 0, c], half[i, 1, c], half[i, 2, c], half[i, 3, c]
            even, odd, fourth, third = g0 + g2, g1 + g3, g0 + four * g2, two * g1 + eight * g3
            patches[k, v, c] = g0
            patches[k + 1, v, c] = even + odd
            patches[k + 2, v, c] = even - odd
            patches[k + 3, v, c] = fourth + third
            patches[k + 4, v, c] = fourth - third
            patches[k + 5, v, c] = g3


@jit
def transform_filters(windows: Any, G: Any, U: Any, first: int, last: int) -> None:
    """U = G w Gᵀ for the rows ``first`` to ``last`` of windows (A, B, 9), with any strides: U (36, A, B)."""
    count = windows.shape[1]
    taps = np.empty((9, count), U.dtype)
    half = np.empty((18, count), U.dtype)
    for row in range(first, last):
        for b in range(count):
            for k in range(9):
                taps[k, b] = windows[row, b, k]
        for i in range(6):
            g0, g1, g2 = G[i, 0], G[i, 1], G[i, 2]
            for j in range(3):
                for b in range(count):
                    half[3 * i + j, b] = g0 * taps[j, b] + g1 * taps[3 + j, b] + g2 * taps[6 + j, b]
        for i in range(6):
            for j in range(6):
                g0, g1, g2 = G[j, 0], G[j, 1], G[j, 2]
                for b in range(count):
                    U[6 * i + j, row, b] = g0 * half[3 * i, b] + g1 * half[3 * i + 1, b] + g2 * half[3 * i + 2, b]


@jit
def filters_from_patches(gU: Any, G: Any, windows: Any, first: int, last: int) -> None:
    """gw = Gᵀ gU G for the rows ``first`` to ``last`` of windows: the transpose of `transform_filters`."""
    count = windows.shape[1]
    half = np.empty((18, count), gU.dtype)
    taps = np.empty((9, count), gU.dtype)
    for row in range(first, last):
        half[:] = 0
        taps[:] = 0
        for i in range(6):
            for j in range(6):
                for k in range(3):
                    g = G[j, k]
                    for b in range(count):
                        half[3 * i + k, b] += g * gU[6 * i + j, row, b]
        for i in range(6):
            for j in range(3):
                g = G[i, j]
                for k in range(3):
                    for b in range(count):
                        taps[3 * j + k, b] += g * half[3 * i + k, b]
        for b in range(count):
            for k in range(9):
                windows[row, b, k] = taps[k, b]
