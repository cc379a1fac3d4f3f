"""Sums of rows that share a place."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit


@jit
def add_rows(index: Any, values: Any, total: Any, left: int, right: int) -> None:
    """total[index[k], d] += values[k, d] for all k in order, and the columns from ``left`` to ``right``."""
    for k in range(len(index)):
        place = index[k]
        for d in range(np.uint64(left), np.uint64(right)):
            total[place, d] += values[k, d]
