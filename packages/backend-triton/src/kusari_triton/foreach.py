"""Many rows of arrays through one elementwise kernel in one launch: how an optimizer updates its parameters."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari_triton.elementwise import FusedExpression, Typed, common_layout, tile
from kusari_triton.launch import Launch, address


class Row(NamedTuple):
    """One row of dense arrays, and where its results go."""

    arrays: tuple[Any, ...]
    results: tuple[Any, ...]
    scalars: tuple[float, ...]
    """What the prologue made of the row's numbers."""
    size: int


class Tables(NamedTuple):
    """What the kernel finds its rows by; arrays of the device, or `Pointer`."""

    addresses: Any
    """(rows, arrays and results), int64."""
    sizes: Any
    """(rows,), int64: elements of each."""
    scalars: Any
    """(rows, scalars), float32 or float64."""
    rows: Any
    """(programs,), int32: which row a program works on."""
    starts: Any
    """(programs,), int64: where in the row it starts."""


def run_rows(
    fused: FusedExpression, backend: Backend, rows: Sequence[tuple[Sequence[Any], Sequence[float]]]
) -> list[tuple[Any, ...]]:
    """Run one kernel over rows of (arrays, scalars): one launch for all rows of equal dtypes.

    A row whose arrays broadcast, or are not dense in one memory order, goes by itself.
    """
    done: list[tuple[Any, ...]] = []
    groups: dict[Typed, list[Row]] = {}
    for arrays, scalars in rows:
        typed = fused.typed(tuple(backend.host_dtype(array.dtype) for array in arrays))
        row = None if typed is None else _prepare(fused, typed, backend, arrays, scalars)
        if typed is None or row is None:
            result = fused(backend, *arrays, *scalars)
            done.append(result if isinstance(result, tuple) else (result,))
            continue
        done.append(row.results)
        if row.size:
            groups.setdefault(typed, []).append(row)
    for typed, members in groups.items():
        block = tile(max(row.size for row in members), typed.block, interpreted=fused.launcher.interpreted)
        tables, programs = _tabulate(typed, backend, members, block)
        make = functools.partial(rows_launch, typed, tables, programs, block)
        fused.launcher.run(typed.launches, programs, tables._asdict(), make)
    return done


def rows_launch(typed: Typed, tables: Tables, programs: int, block: int) -> Launch:
    """Return the launch of one kernel over tabulated rows."""
    arguments = {**tables._asdict(), "BLOCK": block}
    about = f"rows of {typed.expression.name} {typed.described}"
    return Launch(typed.rows_kernel, (programs, 1, 1), arguments, num_warps=4, num_stages=1, about=about)


def scalar_table_dtype(typed: Typed) -> np.dtype[Any]:
    """Return float64 where some scalar is used in float64, else float32."""
    wide = any(dtype.itemsize == 8 for _, dtype in typed.scalars)
    return np.dtype(np.float64 if wide else np.float32)


def _prepare(
    fused: FusedExpression, typed: Typed, backend: Backend, arrays: Sequence[Any], scalars: Sequence[float]
) -> Row | None:
    layout = common_layout(arrays)
    if layout is None or any(walk != (1,) for walk in layout.strides):
        return None
    results = fused.place(backend, arrays, typed, layout)
    return Row(tuple(arrays), tuple(result.array for result in results), fused.scalars(*scalars), layout.total)


def _tabulate(typed: Typed, backend: Backend, rows: Sequence[Row], block: int) -> tuple[Tables, int]:
    """Return the tables, on the rows' device, and the number of programs."""
    programs = [(place, start) for place, row in enumerate(rows) for start in range(0, row.size, block)]
    tables = Tables(
        addresses=np.array([[address(array) for array in (*row.arrays, *row.results)] for row in rows], np.int64),
        sizes=np.array([row.size for row in rows], np.int64),
        scalars=np.array([row.scalars for row in rows], scalar_table_dtype(typed)),
        rows=np.array([place for place, _ in programs], np.int32),
        starts=np.array([start for _, start in programs], np.int64),
    )
    index = backend.index_of(rows[0].arrays[0])
    return Tables(*(backend.from_host(table, index) for table in tables)), len(programs)
