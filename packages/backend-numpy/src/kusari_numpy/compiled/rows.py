"""What is done to rows of channels between products: an activation's gradient, sums."""

from __future__ import annotations

from typing import Any

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.together import together
from kusari_numpy.compiled.turns import take


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
def sum_images(gy: Any, at_once: int, totals: Any, turns: Any) -> None:
    """Add the sum of every ``at_once`` images of gy (N, rows, O) to a row of totals, which may be longer than O."""
    part = take(turns, 0)
    while part < len(totals):
        for image in range(part * at_once, min((part + 1) * at_once, len(gy))):
            sum_rows(gy[image], totals[part])
        part = take(turns, 0)
