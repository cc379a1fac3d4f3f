"""Sums of rows that share a place."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit


@jit
def add_rows(order: Any, index: Any, values: Any, total: Any, left: int, right: int) -> None:
    """total[m, d] = Σ values[k, d] over all k with index[k] = m, for the columns from ``left`` to ``right``.

    ``order`` sorts ``index``. Each sum is taken in double: of many rows float32 would lose digits.
    """
    sums = np.zeros(right - left)
    start = np.uint64(left)
    for k in range(len(order)):
        row = order[k]
        place = index[row]
        for d in range(np.uint64(len(sums))):
            sums[d] += values[row, start + d]
        if k + 1 == len(order) or index[order[k + 1]] != place:
            for d in range(np.uint64(len(sums))):
                total[place, start + d] = sums[d]
                sums[d] = 0
