"""What is done to rows of channels between products: an activation's gradient, sums."""

from __future__ import annotations

from typing import Any, Final

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.together import together
from kusari_numpy.compiled.turns import is_last, take


@jit
def rectify_grad(y: Any, gy: Any) -> None:
    """Gy (rows, O) ← gy where y > 0, else 0."""
    for row in range(y.shape[0]):
        for o in range(y.shape[1]):
            gy[row, o] = gy[row, o] if y[row, o] > 0 else 0


@jit
def rectify_grad_to(y: Any, gy: Any, gx: Any) -> None:
    """Gx (rows, O) ← gy where y > 0, else 0. No two of them share memory: what may overlap goes number by number."""
    for row in range(y.shape[0]):
        for o in range(y.shape[1]):
            gx[row, o] = gy[row, o] if y[row, o] > 0 else 0


@jit
def rectify_and_sum(y: Any, gy: Any, g: Any, total: Any) -> None:
    """g (rows, O) ← gy where y > 0, else 0; its sum over the rows is added to total (O,)."""
    for row in range(y.shape[0]):
        for o in range(y.shape[1]):
            through = gy[row, o] if y[row, o] > 0 else gy.dtype.type(0)
            g[row, o] = through
            total[o] += through


@jit
def sum_rows(gy: Any, total: Any) -> None:
    """Add the sum of gy (rows, O) over its rows to total (O,)."""
    for row in range(gy.shape[0]):
        for o in range(gy.shape[1]):
            total[o] += gy[row, o]


@together
def sum_images(gy: Any, at_once: int, totals: Any, total: Any, turns: Any) -> None:
    """Write the sum of gy (N, rows, O) to total (O,): first that of every ``at_once`` images to a row of totals.

    Rows of totals are zeros, and may be longer than O.
    """
    part = take(turns, 0)
    while part < len(totals):
        for image in range(part * at_once, min((part + 1) * at_once, len(gy))):
            sum_rows(gy[image], totals[part])
        if is_last(turns, len(totals), 1):
            total[:] = 0
            sum_rows(totals[:, : len(total)], total)
        part = take(turns, 0)


SUMMED: Final = 2**14
"""Numbers of lanes that a thread sums at a time."""


@jit
def sum_lanes(lanes: Any, total: Any, turns: Any, place: int) -> None:
    """Write the sum of lanes (lanes, numbers) to total; threads take turns, which a counter counts."""
    piece = take(turns, place)
    while piece * SUMMED < len(total):
        some = slice(piece * SUMMED, (piece + 1) * SUMMED)
        into = total[some]
        into[:] = lanes[0, some]
        for lane in range(1, len(lanes)):
            more = lanes[lane, some]
            for i in range(len(into)):
                into[i] += more[i]
        piece = take(turns, place)
