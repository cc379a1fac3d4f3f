"""Winograd's F(4×4, 3×3) and F(2×2, 5×5), many channels at a time.

`kusari_numpy.winograd_matrices` has the formula: 36 products for each patch, where the definition has 144 or 100.
Between the transforms lie 36 matrix products, one per place in the patch: V (tiles, C) · U (C, O). A tile's patch is a
row of memory, (36, C) and a little more (`row_length`). Images are (N, H, W, C); a *strip* is a row of tiles, number
n · (tiles down) + (tile row).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari_numpy.compiled.options import inlined, jit
from kusari_numpy.compiled.tile import add_tile, add_tile_up_to
from kusari_numpy.compiled.transform import both_sides
from kusari_numpy.compiled.vectors import REGISTERS, TALLEST, WIDEST
from kusari_numpy.winograd_matrices import BT, PLACES, filter_matrix, output_matrix, transposed

TILES: Final = 96
"""Whose products make a gradient at a time: a panel of them stays in the L1 cache."""


def row_length(numbers: int, dtype: Any) -> int:
    """Return the length of rows for so many numbers: a tile's patch, or all filters at one place.

    One vector more than needed: rows a power of two apart would drive each other out of the cache. With 36 rows a MiB
    apart, the gradients of 512² filters took 15 ms to transform, and 8 with it.
    """
    return numbers + REGISTERS.bytes // int(dtype.itemsize)


_to_patch = both_sides(BT)
_to_output_4, _to_output_2 = (both_sides(output_matrix(tile), finish=True) for tile in (4, 2))
_to_gradient_4, _to_gradient_2 = (both_sides(transposed(output_matrix(tile))) for tile in (4, 2))
_to_filter_3, _to_filter_5 = (both_sides(filter_matrix(window)) for window in (3, 5))
_to_filter_gradient_3, _to_filter_gradient_5 = (both_sides(transposed(filter_matrix(window))) for window in (3, 5))


@inlined
def _to_output(
    tile: int, x: Any, at: int, pitches: Any, y: Any, to: int, into: Any, channels: int, bias: Any, floor: Any
) -> None:
    if tile == 4:
        _to_output_4(x, at, pitches, y, to, into, channels, bias, floor)
    else:
        _to_output_2(x, at, pitches, y, to, into, channels, bias, floor)


@inlined
def _to_gradient(tile: int, x: Any, at: int, pitches: Any, y: Any, to: int, into: Any, channels: int) -> None:
    if tile == 4:
        _to_gradient_4(x, at, pitches, y, to, into, channels, x, y.dtype.type(0))
    else:
        _to_gradient_2(x, at, pitches, y, to, into, channels, x, y.dtype.type(0))


@jit
def to_patches(
    image: Any,
    patches: Any,
    tile: int,
    first: int,
    last: int,
    down: int,
    across: int,
    pad: tuple[int, int],
    offset: int,
) -> None:  # fmt: skip
    """V = Bᵀ X B for the strips ``first`` to ``last``; the first patch begins ``pad`` outside the image.

    Tiles are written from row ``offset`` of patches on.
    """
    height, width, channels = image.shape[1:]
    border, into = np.empty((6, 6, channels), image.dtype), (6 * channels, channels)
    x, cut, V, nothing = image.reshape(-1), border.reshape(-1), patches.reshape(-1), image.dtype.type(0)
    for strip in range(first, last):
        n, top = strip // down, tile * (strip % down) - pad[0]
        for b in range(across):
            left, to = tile * b - pad[1], (offset + (strip - first) * across + b) * patches.shape[1]
            if top >= 0 and left >= 0 and top + 6 <= height and left + 6 <= width:
                at = ((n * height + top) * width + left) * channels
                _to_patch(x, at, (width * channels, channels), V, to, into, channels, x, nothing)
            else:
                _cut(image[n], top, left, border)
                _to_patch(cut, 0, (6 * channels, channels), V, to, into, channels, x, nothing)


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
def from_products(
    products: Any, bias: Any, floor: Any, y: Any, begin: int, tile: int, first: int, last: int, down: int, across: int
) -> None:
    """Y = max(Aᵀ M A + b, floor) for the strips ``first`` to ``last``; M and b in whole vectors.

    They have some of y's channels, those from ``begin`` on.
    """
    height, width, pitch = y.shape[1:]
    columns = len(bias)
    channels = min(columns, pitch - begin)
    border, out = np.empty((tile, tile, channels), y.dtype), (6 * columns, columns)
    M, flat, cut = products.reshape(-1), y.reshape(-1), border.reshape(-1)
    for strip in range(first, last):
        n, top = strip // down, tile * (strip % down)
        for b in range(across):
            left, at = tile * b, ((strip - first) * across + b) * products.shape[1]
            if top + tile <= height and left + tile <= width:
                to = ((n * height + top) * width + left) * pitch + begin
                _to_output(tile, M, at, out, flat, to, (width * pitch, pitch), channels, bias, floor)
            else:
                _to_output(tile, M, at, out, cut, 0, (tile * channels, channels), channels, bias, floor)
                for i in range(min(tile, height - top)):
                    for j in range(min(tile, width - left)):
                        for c in range(channels):
                            y[n, top + i, left + j, begin + c] = border[i, j, c]


@jit
def gradient_to_patches(
    gy: Any, patches: Any, tile: int, first: int, last: int, down: int, across: int, offset: int
) -> None:
    """D = A g Aᵀ for the strips ``first`` to ``last`` of gy (N, H, W, O): the transpose of `from_products`."""
    height, width, channels = gy.shape[1:]
    border, into = np.empty((tile, tile, channels), gy.dtype), (6 * channels, channels)
    g, cut, D = gy.reshape(-1), border.reshape(-1), patches.reshape(-1)
    for strip in range(first, last):
        n, top = strip // down, tile * (strip % down)
        for b in range(across):
            left, to = tile * b, (offset + (strip - first) * across + b) * patches.shape[1]
            if top + tile <= height and left + tile <= width:
                at = ((n * height + top) * width + left) * channels
                _to_gradient(tile, g, at, (width * channels, channels), D, to, into, channels)
            else:
                _cut(gy[n], top, left, border)
                _to_gradient(tile, cut, 0, (tile * channels, channels), D, to, into, channels)


@jit
def multiply(patches: Any, some: tuple[int, int], U: Any, begin: int, products: Any, nothing: Any, add: bool) -> None:
    """M = V U at each place of the patch, or M + V U.

    Args:
        patches: V.
        some: Channels of V: the first one that U has and the one after the last.
        U: For each place a row of panels (channels, width).
        begin: The first column of U, where a panel begins.
        products: M.
        nothing: As many zeros as M has columns, whole vectors.
        add: Keep what M holds.
    """
    tiles, pitch = patches.shape
    outputs, lanes = len(nothing), REGISTERS.bytes // patches.itemsize
    channels = (pitch - lanes) // PLACES
    rows, targets = np.empty(tiles + TALLEST, np.int64), np.empty(tiles + TALLEST, np.int64)
    lowest = patches.dtype.type(-np.inf)
    V, M, filters = (
        patches.reshape(-1),
        products.reshape(-1),
        U.reshape(-1),
    )  # once: each costs as much as a few products
    height = some[1] - some[0]
    whole = np.array([[0, 0, height]])
    for place in range(PLACES):
        for row in range(len(rows)):
            at = min(row, tiles - 1)
            rows[row] = at * pitch + place * channels + some[0]
            targets[row] = at * products.shape[1] + place * outputs
        for column in range(0, outputs, WIDEST * lanes):
            width = min(WIDEST, (outputs - column) // lanes)
            start = place * U.shape[1] + (begin + column) * height
            for row in range(0, tiles, REGISTERS.rows[width - 1]):
                add_tile(
                    width, V, rows, row, filters, start, whole, 0, 1, (1, width * lanes), M, targets, column, outputs,
                    nothing, lowest, add,
                )  # fmt: skip


@jit
def convolve_strips(
    image: Any, U: Any, y: Any, bias: Any, floor: Any, patches: Any, products: Any, strips: tuple[int, int], step: int,
    tile: int, down: int, across: int, pad: tuple[int, int],
) -> None:  # fmt: skip
    """Y = max(Aᵀ[U ∘ (Bᵀ X B)]A + b, floor) for the strips from ``strips[0]`` to ``strips[1]``, ``step`` at a time.

    Patches and products are scratch memory for the tiles of so many.
    """
    nothing, channels = np.zeros_like(bias), (0, image.shape[3])
    for first in range(strips[0], strips[1], step):
        last = min(first + step, strips[1])
        count = (last - first) * across
        to_patches(image, patches, tile, first, last, down, across, pad, 0)
        multiply(patches[:count], channels, U, 0, products[:count], nothing, False)
        from_products(products, bias, floor, y, 0, tile, first, last, down, across)


@jit
def gradient_strips(
    image: Any, gy: Any, gU: Any, patches: Any, gradients: Any, by_outputs: bool,
    strips: tuple[int, int], step: int, tile: int, down: int, across: int, pad: tuple[int, int], packed: Any,
) -> None:  # fmt: skip
    """gU = (A g Aᵀ)ᵀ V over the strips from ``strips[0]`` to ``strips[1]``, ``step`` at a time; untouched by none.

    Without ``by_outputs``: its transpose. Patches and gradients are scratch memory for the tiles of so many; packed as
    in `add_gradient`.
    """
    channels, real = (0, image.shape[3]), (0, gy.shape[3])
    for first in range(strips[0], strips[1], step):
        last = min(first + step, strips[1])
        count = (last - first) * across
        to_patches(image, patches, tile, first, last, down, across, pad, 0)
        gradient_to_patches(gy, gradients, tile, first, last, down, across, 0)
        V, D, add = patches[:count], gradients[:count], first > strips[0]
        if by_outputs:
            add_gradient(D, real, V, channels, gU, (0, PLACES), add, packed)
        else:
            add_gradient(V, channels, D, real, gU, (0, PLACES), add, packed)


@jit
def add_gradient(
    a: Any, rows: tuple[int, int], b: Any, columns: tuple[int, int], gU: Any, part: tuple[int, int], add: bool,
    packed: Any,
) -> None:  # fmt: skip
    """gU ← aᵀ b, or gU + aᵀ b, at some places; each is a row of gU: (rows, columns) and a little more.

    Args:
        a: V or D.
        rows: The first of its channels, and the one after the last.
        b: The other one.
        columns: Likewise.
        gU: The sums.
        part: The first place and the one after the last.
        add: Keep what gU holds.
        packed: Scratch memory for `TILES` of a, with a vector between them, and for a panel of b: as they lie, each
            tile is on another page of memory.
    """
    lanes = REGISTERS.bytes // a.itemsize
    across, height, width = WIDEST * lanes, rows[1] - rows[0], columns[1] - columns[0]
    of_a, of_b = packed[0], packed[1]
    order = np.minimum(np.arange(height + TALLEST), height - 1)
    whole, nothing, lowest = np.zeros((1, 3), np.int64), np.zeros(across, a.dtype), a.dtype.type(-np.inf)
    total = gU.reshape(-1)
    for place in range(part[0], part[1]):
        for tile in range(0, len(a), TILES):
            count = min(TILES, len(a) - tile)
            whole[0, 2] = count
            _pack_place(a[tile : tile + count], place, rows[0], height, height + lanes, of_a)
            for column in range(0, width, across):
                real = min(across, width - column)
                vectors = -(-real // lanes)
                step = vectors * lanes
                _pack_place(b[tile : tile + count], place, columns[0] + column, real, step, of_b)
                into = place * gU.shape[1] + order * width + column
                for row in range(0, height, REGISTERS.rows[vectors - 1]):
                    add_tile_up_to(
                        vectors, of_a, order, row, of_b, 0, whole, 0, 1, (height + lanes, step), total, into, 0,
                        real, nothing, lowest, add or tile > 0,
                    )  # fmt: skip


@inlined
def _pack_place(tiles: Any, place: int, begin: int, channels: int, step: int, packed: Any) -> None:
    """Copy some channels of one place of each tile, ``step`` numbers from one to the next."""
    lanes = REGISTERS.bytes // tiles.itemsize
    pitch, flat = (tiles.shape[1] - lanes) // PLACES, tiles.reshape(-1)
    for tile in range(len(tiles)):
        source, into = np.uint64(tile * tiles.shape[1] + place * pitch + begin), np.uint64(tile * step)
        for channel in range(np.uint64(channels)):
            packed[into + channel] = flat[source + channel]


@jit
def transform_filters(windows: Any, U: Any, window: int, outputs: int, first: int, last: int) -> None:
    """U = G w Gᵀ for the rows ``first`` to ``last`` of windows (A, B, taps), with any strides.

    U: For each place a row of panels (A, width); B is filled up with zeros to ``outputs``.
    """
    rows, count, _ = windows.shape
    panel = WIDEST * REGISTERS.bytes // U.itemsize
    taps = np.zeros((window * window, outputs), U.dtype)
    flat, filters, nothing = taps.reshape(-1), U.reshape(-1), U.dtype.type(0)
    into = (6 * U.shape[1], U.shape[1])
    for row in range(first, last):
        for b in range(count):
            for k in range(window * window):
                taps[k, b] = windows[row, b, k]
        for left in range(0, outputs, panel):
            width = min(panel, outputs - left)
            to = left * rows + row * width
            if window == 3:
                _to_filter_3(flat, left, (3 * outputs, outputs), filters, to, into, width, flat, nothing)
            else:
                _to_filter_5(flat, left, (5 * outputs, outputs), filters, to, into, width, flat, nothing)


@jit
def filters_from_patches(gU: Any, windows: Any, window: int, first: int, last: int) -> None:
    """gw = Gᵀ gU G for the rows ``first`` to ``last`` of windows (rows, columns, taps), with any strides."""
    count = windows.shape[1]
    taps = np.empty((window * window, count), gU.dtype)
    flat, U, nothing = taps.reshape(-1), gU.reshape(-1), gU.dtype.type(0)
    place = gU.shape[1]
    for row in range(first, last):
        at, out, into = row * count, (6 * place, place), (window * count, count)
        if window == 3:
            _to_filter_gradient_3(U, at, out, flat, 0, into, count, flat, nothing)
        else:
            _to_filter_gradient_5(U, at, out, flat, 0, into, count, flat, nothing)
        for b in range(count):
            for k in range(window * window):
                windows[row, b, k] = taps[k, b]


@jit
def convolve_panel(
    patches: Any, windows: Any, window: int, U: Any, products: Any, bias: Any, floor: Any, y: Any, begin: int,
    block: int, tile: int, strips: int, down: int, across: int,
) -> None:  # fmt: skip
    """Compute the channels of y from ``begin`` on, as many as bias has: those that windows (C, O, taps) make.

    The filters of ``block`` channels of x are transformed into U and multiplied at once, while they are in cache.
    """
    channels, outputs = len(windows), len(bias)
    nothing, rows = np.zeros_like(bias), U.reshape(-1)
    for first in range(0, channels, block):
        last = min(first + block, channels)
        length = row_length_of((last - first) * outputs, U)
        some = rows[: PLACES * length].reshape(PLACES, length)
        transform_filters(windows[first:last], some, window, outputs, 0, last - first)
        multiply(patches, (first, last), some, 0, products, nothing, first > 0)
    from_products(products, bias, floor, y, begin, tile, 0, strips, down, across)


@inlined
def row_length_of(numbers: int, like: Any) -> int:
    """Return what `row_length` does for rows of an array's dtype."""
    return numbers + REGISTERS.bytes // like.itemsize


@jit
def gradient_block(
    a: Any, first: int, b: Any, begin: int, U: Any, windows: Any, window: int, packed: Any
) -> None:  # fmt: skip
    """Compute windows = Gᵀ (aᵀ b) G of the channels of a from ``first`` on, and those of b from ``begin`` on.

    U is scratch memory for the products; see `add_gradient`.
    """
    height, width, _ = windows.shape
    length = row_length_of(height * width, U)
    gU = U.reshape(-1)[: PLACES * length].reshape(PLACES, length)
    add_gradient(a, (first, first + height), b, (begin, begin + width), gU, (0, PLACES), False, packed)
    filters_from_patches(gU, windows, window, 0, height)
