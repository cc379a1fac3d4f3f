"""What the tuner tries: for each kernel a few ways of cutting it, less those that cannot be good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import triton

from kusari_triton.tiles import LEAST, Blocks

PRODUCTS: Final[Mapping[str, Sequence[Blocks]]] = {
    "ieee": (
        Blocks(64, 64, 16),
        Blocks(64, 64, 16, 4),
        Blocks(128, 32, 16, 4),
        Blocks(128, 64, 16),
        Blocks(64, 128, 16),
        Blocks(64, 32, 32, 4),
    ),
    "tf32": (
        Blocks(64, 64, 32, 4),
        Blocks(64, 64, 32),
        Blocks(128, 64, 32),
        Blocks(64, 128, 32),
        Blocks(128, 128, 32),
        Blocks(128, 128, 32, num_stages=4),
        Blocks(128, 32, 32, 4, 4),
    ),
    "half": (
        Blocks(64, 64, 32, 4),
        Blocks(64, 64, 64, 4, 4),
        Blocks(128, 64, 32),
        Blocks(128, 64, 64),
        Blocks(64, 128, 64),
        Blocks(128, 128, 32, num_stages=4),
        Blocks(128, 128, 64),
        Blocks(128, 256, 64),
        Blocks(256, 128, 64),
        Blocks(128, 32, 64, 4, 4),
    ),
}
"""Matrix products, by float32 precision; "half" for both 16-bit types."""

SUMS: Final[Sequence[Blocks]] = (
    Blocks(8, 64, 1, 2, num_stages=1),
    Blocks(16, 64, 1, 4, num_stages=1),
    Blocks(32, 32, 1, 4, num_stages=1),
    Blocks(32, 64, 1, 4, num_stages=1),
    Blocks(64, 32, 1, 4, num_stages=1),
    Blocks(16, 128, 1, 4, num_stages=1),
    Blocks(64, 64, 1, 8, num_stages=1),
    Blocks(128, 32, 1, 8, num_stages=1),
)
"""Depthwise sums over taps: pixels, channels."""

FILTER_SUMS: Final[Sequence[Blocks]] = (
    Blocks(16, 32, 4, 4, num_stages=1),
    Blocks(32, 32, 2, 4, num_stages=1),
    Blocks(64, 32, 1, 4, num_stages=1),
    Blocks(16, 64, 2, 4, num_stages=1),
    Blocks(8, 64, 4, 4, num_stages=1),
    Blocks(16, 32, 8, 8, num_stages=1),
)
"""The depthwise filters' gradient: pixels, channels, taps."""

SUMS_A_THREAD: Final = 128
"""Of 255 registers; with more, addresses and the next tiles find no room."""


def worthwhile(table: Iterable[Blocks], rows: int, columns: int, itemsize: int, shared: int) -> tuple[Blocks, ...]:
    """Return the blocks that a product (rows, ·) · (·, columns) can fill and a chip can hold.

    Args:
        table: Candidates.
        rows: Of the result.
        columns: Of the result.
        itemsize: Bytes of an element of the factors.
        shared: Bytes of shared memory that a block can have.

    >>> [blocks.columns for blocks in worthwhile(PRODUCTS["tf32"], 10_000, 32, 4, 160_000)]
    [32]
    """
    widest = max(LEAST, int(triton.next_power_of_2(columns)))
    tallest = max(LEAST, int(triton.next_power_of_2(rows)))
    kept = [blocks for blocks in table if blocks.columns <= widest and blocks.rows <= tallest]
    return tuple(blocks for blocks in kept if _fits(blocks, itemsize, shared))


def _fits(blocks: Blocks, itemsize: int, shared: int) -> bool:
    sums = blocks.rows * blocks.columns // (32 * blocks.num_warps)
    tiles = blocks.num_stages * (blocks.rows + blocks.columns) * blocks.k * itemsize
    return sums <= SUMS_A_THREAD and tiles <= shared
