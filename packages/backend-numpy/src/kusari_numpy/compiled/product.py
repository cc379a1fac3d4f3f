"""Matrix products by tiles, for matrices whose rows are dense.

A *panel* is a few columns of b, as wide as a tile, row after row: it stays in the L2 cache while rows of a go by.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.panels import ROWS, go_by, pack, turn_rows
from kusari_numpy.compiled.vectors import REGISTERS, TALLEST, WIDEST

DEEPEST: Final = 512
"""Rows of a panel: those of a that meet it, as many as a tile has, stay in the L1 cache."""
HELD: Final = 2**17
"""Numbers of panels, which stay in the L2 cache: 512 KiB of float32, and at least one panel."""


@jit
def multiply(
    a: Any, a_steps: tuple[int, int], b: Any, b_steps: tuple[int, int], y: Any, size: tuple[int, int], part: Any,
    packed: Any, turned: Any,
) -> None:  # fmt: skip
    """Compute rows and columns of y = a b.

    Args:
        a: (M, K), flat.
        a_steps: From one row of a to the next and from one column to the next, one of which is 1.
        b: (K, N), flat.
        b_steps: Likewise.
        y: (M, N), flat.
        size: K and N.
        part: The first row of y that is computed and that after the last, and likewise of panels.
        packed: Scratch memory for panels that all rows of a go by before the next ones: HELD numbers.
        turned: Scratch memory for rows of a whose columns are dense: ROWS · DEEPEST numbers.
    """
    lanes = REGISTERS.bytes // a.itemsize
    across = WIDEST * lanes
    depth, columns = size
    first, last, begin, end = part
    direct = a_steps[1] == 1
    block = last - first if direct else ROWS
    inside = np.arange(block + TALLEST)
    together = len(packed) // (min(depth, DEEPEST) * across)
    one = np.zeros(1, np.int64)  # the only tap's number
    nothing = np.zeros(max(columns, across), a.dtype)
    for some in range(begin, end, together):
        count = min(together, end - some)
        sides = (some * across, min((some + count) * across, columns))
        for k in range(0, depth, DEEPEST):
            length = min(DEEPEST, depth - k)
            begin_b, extent = k * b_steps[0] + sides[0] * b_steps[1], (length, sides[1] - sides[0])
            pack(b, begin_b, b_steps, one, extent, 0, count, packed)
            for row in range(first, last, block):
                held = min(block, last - row)
                rows = np.minimum(inside[: held + TALLEST], held - 1)  # a tile may be higher: it repeats the last row
                targets = (row + rows) * columns
                if direct:
                    sources = (row + rows) * a_steps[0] + k
                    go_by(a, sources, packed, length, y, targets, sides, nothing, k > 0)
                else:
                    pitch, line = -(-length // lanes) * lanes, np.array([[k * a_steps[1], 0, length]])
                    turn_rows(a, row + rows[:held], line, a_steps[1], turned, pitch)
                    go_by(turned, rows * pitch, packed, length, y, targets, sides, nothing, k > 0)
