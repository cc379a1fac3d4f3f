"""Copies between channels-first and channels-last memory."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.together import in_ranges
from kusari_numpy.compiled.turn import turn
from kusari_numpy.compiled.vectors import REGISTERS

BLOCK: Final = 32
"""Rows in a band of work."""


@jit
def transpose(source: Any, target: Any, first: int, last: int) -> None:
    """target[i, k, j] = source[i, j, k] for the bands of rows numbered ``first`` to ``last`` of all (i, j / BLOCK)."""
    _, rows, columns = source.shape
    lanes = REGISTERS.bytes // source.itemsize
    bands = (rows + BLOCK - 1) // BLOCK
    x, y = source.reshape(-1), target.reshape(-1)
    places = np.arange(0, columns * rows, rows)
    for band in range(first, last):
        begin, top = band // bands * rows * columns, band % bands * BLOCK
        bottom = min(top + BLOCK, rows)
        if rows < lanes:
            for k in range(columns):
                for j in range(rows):
                    y[begin + places[k] + j] = x[begin + j * columns + k]
            continue
        for k in range(0, columns, lanes):
            for row in range(top, bottom, lanes):
                j = min(row, rows - lanes)  # the last square overlaps the one before
                turn(x, begin + j * columns + k, columns, y, begin + j, places, k, min(lanes, columns - k), lanes)


transpose_in_ranges = in_ranges(transpose)
