"""Copies between channels-first and channels-last memory."""

from __future__ import annotations

from typing import Any

from kusari_numpy.compiled.options import jit

BLOCK = 32


@jit
def transpose(source: Any, target: Any, first: int, last: int) -> None:
    """target[i, k, j] = source[i, j, k] for the blocks of rows numbered ``first`` to ``last`` of all (i, j / 32).

    A block of 32 by 32 stays in the cache while it is read along one axis and written along the other.
    """
    rows, columns = source.shape[1], source.shape[2]
    bands = (rows + BLOCK - 1) // BLOCK
    for band in range(first, last):
        i, top = band // bands, band % bands * BLOCK
        bottom = min(top + BLOCK, rows)
        for left in range(0, columns, BLOCK):
            right = min(left + BLOCK, columns)
            for k in range(left, right):
                for j in range(top, bottom):
                    target[i, k, j] = source[i, j, k]
