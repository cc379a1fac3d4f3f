"""Matrix products by tiles, for matrices whose rows are dense.

A *panel* is a few columns of b, as wide as a tile, row after row: it stays in the L2 cache while rows of a go by.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.panels import ROWS, go_by, pack, turn_rows
from kusari_numpy.compiled.together import in_ranges, together
from kusari_numpy.compiled.turns import take
from kusari_numpy.compiled.vectors import REGISTERS, TALLEST, WIDEST

DEEPEST: Final = 704
"""Rows of a panel: those of a that meet it, as many as a tile has, stay in the L1 cache."""
HELD: Final = 2**16
"""Numbers of panels that go by at a time, which stay in the L2 cache: 256 KiB of float32, and at least one panel."""
PACKED: Final = 2**19
"""Numbers of panels that are packed at a time where rows of a must be turned, which is done anew for each time."""


@jit
def block_depth(depth: int) -> int:
    """Return how many rows of panels are in a block: no block is much smaller than the others."""
    blocks = -(-depth // DEEPEST)
    return -(-depth // blocks)


@jit
def multiply(
    a: Any, a_steps: tuple[int, int], b: Any, b_steps: tuple[int, int], y: Any, size: tuple[int, int], bias: Any,
    floor: Any, part: Any, packed: Any, turned: Any,
) -> None:  # fmt: skip
    """Compute rows and columns of y = max(a b + bias, floor).

    Args:
        a: (M, K), flat.
        a_steps: From one row of a to the next and from one column to the next, one of which is 1.
        b: (K, N), flat.
        b_steps: Likewise.
        y: (M, N), flat.
        size: K and N.
        bias: (N,), whole vectors.
        floor: Nothing in y is below it.
        part: The first row of y that is computed and that after the last, and likewise of panels.
        packed: Scratch memory for panels that are packed at a time: HELD numbers, or PACKED if columns of a are dense.
        turned: Scratch memory for rows of a whose columns are dense: ROWS · DEEPEST numbers.
    """
    lanes = REGISTERS.bytes // a.itemsize
    across = WIDEST * lanes
    depth, columns = size
    first, last, begin, end = part
    direct = a_steps[1] == 1
    block = last - first if direct else ROWS
    inside = np.arange(block + TALLEST)
    deep = block_depth(depth)
    panel = deep * across
    together, near = max(1, len(packed) // panel), max(1, HELD // panel)
    one = np.zeros(1, np.int64)  # the only tap's number
    for some in range(begin, end, together):
        count = min(together, end - some)
        left, right = some * across, min((some + count) * across, columns)
        for k in range(0, depth, deep):
            length = min(deep, depth - k)
            lowest = floor if k + length == depth else a.dtype.type(-np.inf)
            pack(b, k * b_steps[0] + left * b_steps[1], b_steps, one, (length, right - left), 0, count, packed)
            for row in range(first, last, block):
                held = min(block, last - row)
                rows = np.minimum(inside[: held + TALLEST], held - 1)  # a tile may be higher: it repeats the last row
                targets, sources, x = (row + rows) * columns, (row + rows) * a_steps[0] + k, a
                if not direct:
                    pitch, line = -(-length // lanes) * lanes, np.array([[k * a_steps[1], 0, length]])
                    turn_rows(a, row + rows[:held], line, a_steps[1], turned, pitch)
                    sources, x = rows * pitch, turned
                for column in range(left, right, near * across):
                    panels = packed[(column - left) * length :]
                    sides = column, min(column + near * across, right)
                    go_by(x, sources, panels, length, y, targets, sides, bias, lowest, k > 0)


@jit
def multiply_part(product: Any, number: int, packed: Any, turned: Any) -> None:
    """Compute one of the parts of a product: see `multiply_parts`, and `multiply` for scratch memory."""
    a, a_steps, b, b_steps, y, size, bias, floor, parts, panels = product
    first, last, begin, end = parts[number]
    part = first, last, begin, end
    multiply(a, a_steps, b, b_steps, y, size, bias, floor, part, packed[:panels], turned)


@together
def multiply_parts(product: Any, packed: Any, turned: Any, turns: Any) -> None:
    """Compute a product, of whose parts threads take one after the other.

    Args:
        product: What `multiply` takes up to ``floor``; parts, four numbers a row; how long its ``packed`` is.
        packed: A row for each thread.
        turned: Likewise.
        turns: How many parts are taken, and how many threads there are.
    """
    thread = take(turns, 1)
    number = take(turns, 0)
    while number < len(product[8]):
        multiply_part(product, number, packed[thread], turned[thread])
        number = take(turns, 0)


@jit
def pack_all(b: Any, b_steps: tuple[int, int], size: tuple[int, int], packed: Any, first: int, last: int) -> None:
    """Write the panels ``first`` to ``last`` of b (K, N), one block of rows of all after the other."""
    lanes = REGISTERS.bytes // b.itemsize
    depth, columns = size
    padded, one = -(-columns // lanes) * lanes, np.zeros(1, np.int64)
    deep = block_depth(depth)
    for k in range(0, depth, deep):
        length = min(deep, depth - k)
        pack(b, k * b_steps[0], b_steps, one, (length, columns), first, last, packed[k * padded :])


pack_all_in_ranges = in_ranges(pack_all)


@jit
def multiply_packed(a: Any, a_step: int, packed: Any, y: Any, size: tuple[int, int], part: tuple[int, int]) -> None:
    """Compute columns of y = a b.

    Args:
        a: (M, K), flat.
        a_step: From one row of a to the next.
        packed: b as `pack_all` writes it.
        y: (M, N), flat.
        size: K and N.
        part: The first panel of b that is computed with and the one after the last.
    """
    lanes = REGISTERS.bytes // a.itemsize
    depth, columns = size
    padded, count = -(-columns // lanes) * lanes, len(y) // columns
    sides = (part[0] * WIDEST * lanes, min(part[1] * WIDEST * lanes, columns))
    rows = np.minimum(np.arange(count + TALLEST), count - 1)  # a tile may be higher: it repeats the last row
    nothing, lowest = np.zeros(padded, a.dtype), a.dtype.type(-np.inf)
    deep = block_depth(depth)
    for k in range(0, depth, deep):
        length = min(deep, depth - k)
        panels = packed[k * padded + sides[0] * length : (k + length) * padded]
        go_by(a, rows * a_step + k, panels, length, y, rows * columns, sides, nothing, lowest, k > 0)


@together
def multiply_packed_parts(
    a: Any, a_step: int, packed: Any, y: Any, size: tuple[int, int], panels: int, parts: int, turns: Any
) -> None:
    """Compute y = a b, of which each part is some of the panels; threads take turns. See `multiply_packed`."""
    part = take(turns, 0)
    while part < parts:
        multiply_packed(a, a_step, packed, y, size, (part * panels // parts, (part + 1) * panels // parts))
        part = take(turns, 0)
