"""The gradients of an affine map in one call: what goes through ReLU and to the bias, and then the products."""

from __future__ import annotations

from typing import Any

from kusari_numpy.compiled.product import multiply_part
from kusari_numpy.compiled.rows import rectify_and_sum, sum_rows
from kusari_numpy.compiled.together import together
from kusari_numpy.compiled.turns import go_on, is_last, take, wait

# Counters: threads; blocks that are taken and that are done, and whether all are; parts of products that are taken.
THREAD, TAKEN, DONE, SUMMED, PARTS = range(5)


@together
def gradients(
    y: Any, gy: Any, g: Any, sums: Any, rectified: bool, products: Any, packed: Any, turned: Any, turns: Any
) -> None:
    """Compute the gradients of max(x Wᵀ + b, 0), or without the maximum.

    Args:
        y: (N, O), what the maximum gave.
        gy: (N, O).
        g: (N, O), where what goes through the maximum is written.
        sums: (blocks, O), zeros, where its sums over each block of rows are written; the first becomes that of all.
        rectified: There is a maximum; else y and g are gy.
        products: Of g, with others; see `multiply_parts`, as for what follows.
        packed: Scratch memory.
        turned: Likewise.
        turns: All 0.
    """
    thread, blocks = take(turns, THREAD), len(sums)
    block = take(turns, TAKEN)
    while block < blocks:
        first, last = len(gy) * block // blocks, len(gy) * (block + 1) // blocks
        if rectified:
            rectify_and_sum(y[first:last], gy[first:last], g[first:last], sums[block])
        else:
            sum_rows(gy[first:last], sums[block])
        if is_last(turns, blocks, DONE):
            sum_rows(sums[1:], sums[0])
            go_on(turns, SUMMED)
        block = take(turns, TAKEN)
    wait(turns, SUMMED)
    part = take(turns, PARTS)
    first = len(products[0][8])
    count = first + len(products[-1][8]) if len(products) > 1 else first
    while part < count:
        if part < first:
            multiply_part(products[0], part, packed[thread], turned[thread])
        else:
            multiply_part(products[-1], part - first, packed[thread], turned[thread])
        part = take(turns, PARTS)
