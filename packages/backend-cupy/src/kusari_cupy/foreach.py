"""Many rows of arrays through one elementwise kernel in one launch: how an optimizer updates its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari_cupy.elementwise import FusedExpression, Typed
from kusari_cupy.syntax import ELEMENTS, LEADING, THREADS


class Row(NamedTuple):
    """One row of dense arrays, where its results go, and what the prologue made of its numbers."""

    arrays: Sequence[Any]
    outputs: Sequence[Any]
    scalars: tuple[float, ...]


def run_rows(
    fused: FusedExpression, backend: Backend, rows: Sequence[tuple[Sequence[Any], Sequence[float]]]
) -> list[tuple[Any, ...]]:
    """Run one kernel over rows of (arrays, scalars): one launch for all rows of equal dtypes.

    A row whose arrays broadcast, or are not dense in one memory order, goes by itself.
    """
    done: list[tuple[Any, ...]] = []
    groups: dict[Typed, list[Row]] = {}
    for arrays, scalars in rows:
        typed = fused.typed(tuple([backend.host_dtype(array.dtype) for array in arrays]))
        operands = None if typed is None else fused.lay_out(arrays)
        if typed is None or operands is None or not all(view.flags.c_contiguous for view in operands.views):
            result = fused(backend, *arrays, *scalars)
            done.append(result if isinstance(result, tuple) else (result,))
            continue
        outputs = fused.place(typed, operands)
        done.append(tuple([operands.restored(output) for output in outputs]))
        if outputs[0].size:
            groups.setdefault(typed, []).append(Row(operands.views, outputs, fused.scalars(*scalars)))
    for typed, members in groups.items():
        table, blocks = tabulate(members)
        index = backend.index_of(members[0].arrays[0])
        there = backend.from_host(table, index)
        typed.rows_kernel((blocks,), (THREADS,), (there, np.int32(len(members))))
    return done


def tabulate(rows: Sequence[Row]) -> tuple[np.ndarray[Any, np.dtype[np.int64]], int]:
    """Return the table (rows, words) that the kernel reads, and the number of blocks."""
    scalars = len(rows[0].scalars)
    operands = len(rows[0].arrays) + len(rows[0].outputs)
    table = np.empty((len(rows), LEADING + scalars + operands), np.int64)
    blocks = 0
    for line, row in zip(table, rows, strict=True):
        size = row.outputs[0].size
        line[:LEADING] = blocks, size
        line[LEADING : LEADING + scalars] = np.array(row.scalars, np.float64).view(np.int64)
        line[LEADING + scalars :] = [array.data.ptr for array in (*row.arrays, *row.outputs)]
        blocks += -(-size // ELEMENTS)
    return table, blocks
