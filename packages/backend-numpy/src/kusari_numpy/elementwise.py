"""Elementwise kernels: an expression as one compiled loop, or in pieces, for arrays that are worth it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.backend.expression import Expression, NotElementwise
from kusari_numpy.loops import Loop, Row, Typed
from kusari_numpy.piecewise import LEAVES, Piecewise
from kusari_numpy.syntax import plain_function
from kusari_numpy.workspace import aligned_like, memory_order

HostArray = np.ndarray[Any, Any]

SMALLEST: Final = 2**15
"""Below so many numbers NumPy computes operation by operation.

A loop costs 12 to 20 µs however short it is, to which NumPy's single operations catch up at 30,000 numbers. Beyond, on
one thread, float32: Adam of a million numbers 2.0 ms (NumPy 25), RMSprop 1.5 (7.6), momentum 1.4 (3.1), relu_grad 1.2
(8.1, for its choice between random signs), relu 1.0 (1.2).
"""
CALL: Final = 2**11
"""Numbers in the time of calling a single operation of NumPy."""
SMALLEST_SHARING: Final = 2**14
"""Where an update's rows are large together, a row for which NumPy would take as long as for so many numbers goes
through the loop: all of Adam's, which has 13 operations; momentum's from 2048 numbers on."""

_log = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """A row of operands, with its loop."""

    loop: Loop
    row: Row
    results: tuple[HostArray, ...]


class FusedExpression:
    """One elementwise kernel, compiled per dtypes.

    Called as core wraps it: ``fused(backend, *arrays, *scalars)``. Large arrays that share one dense memory format go
    through a loop, donated ones in place, or through NumPy in pieces where there is no loop; everything else through
    NumPy, operation by operation.
    """

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self.plain = plain_function(expression)
        self.donated = tuple(expression.arrays.index(name) for name in expression.donated)
        self._typed: dict[tuple[Any, ...], Typed | Piecewise | None] = {}
        operations = sum(step.op not in LEAVES for step in expression.program)
        self._smallest_sharing = SMALLEST_SHARING // max(operations, 1) - CALL

    def __call__(self, backend: Backend, *operands: Any) -> Any:
        if operands[0].size < SMALLEST or (prepared := self.prepared(operands)) is None:
            return self.plain(backend.xp, *operands)
        prepared.loop([prepared.row])
        return prepared.results if self.expression.returns_tuple else prepared.results[0]

    def run_rows(self, backend: Backend, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return each row's results; all rows share the threads.

        Where many arrays make a large one together, the loop is worth being compiled.
        """
        sizes = [operands[0].size for operands in rows]
        least = self._smallest_sharing if sum(sizes) >= SMALLEST else SMALLEST
        found = [self.prepared(row) if size >= least else None for row, size in zip(rows, sizes, strict=True)]
        _run([prepared for prepared in found if prepared is not None])
        return [
            self.plain(backend.xp, *operands) if prepared is None else prepared.results
            for operands, prepared in zip(rows, found, strict=True)
        ]

    def prepared(self, operands: Sequence[Any]) -> Prepared | None:
        """Return what a loop needs; None where there is none for these dtypes or memory formats."""
        count = len(self.expression.arrays)
        arrays = operands[:count]
        if {type(array) for array in arrays} != {np.ndarray}:
            return None
        typed = self.typed(tuple([array.dtype for array in arrays]))
        if typed is None or not typed.takes(arrays[0].size) or (flat := flattened(arrays)) is None:
            return None
        in_place, new = [], []
        for place, dtype in enumerate(typed.outputs):
            source = self.donated[place] if place < len(self.donated) else None
            fits = source is not None and arrays[source].dtype == dtype and arrays[source].flags.writeable
            in_place.append(source if fits else None)
            if not fits:
                new.append(aligned_like(arrays[0], dtype))
        fresh = iter(new)
        results = tuple([next(fresh) if source is None else arrays[source] for source in in_place])
        flat += [array.ravel("K") for array in new]
        return Prepared(typed.loop(tuple(in_place)), Row(flat, operands[count:]), results)

    def typed(self, dtypes: tuple[np.dtype[Any], ...]) -> Typed | Piecewise | None:
        """Return the expression for arrays of these dtypes, or None; the log says why there is no loop."""
        if dtypes not in self._typed:
            self._typed[dtypes] = self._made(dtypes)
        return self._typed[dtypes]

    def _made(self, dtypes: tuple[np.dtype[Any], ...]) -> Typed | Piecewise | None:
        if not all(dtype.isnative for dtype in dtypes):
            return None
        try:
            return Typed(self.expression, dtypes)
        except NotElementwise as error:
            _log.info("%s has no loop: %s", self.expression.name, error)
        try:
            return Piecewise(self.expression, dtypes)
        except NotElementwise:
            return None


def flattened(arrays: Sequence[HostArray]) -> list[HostArray] | None:
    """Return views of all numbers in the order of memory; None where the arrays do not share one dense format."""
    first = arrays[0]
    shape = first.shape
    flat = [array.reshape(-1) for array in arrays if array.flags.c_contiguous and array.shape == shape]
    if len(flat) == len(arrays):
        return flat
    order = tuple(memory_order(first))
    flat = []
    for array in arrays:
        if array.shape != shape or not (view := array.transpose(order)).flags.c_contiguous:
            return None
        flat.append(view.reshape(-1))
    return flat


def _run(prepared: Sequence[Prepared]) -> None:
    """Have each loop compute its rows."""
    rows: dict[Loop, list[Row]] = {}
    for loop, row, _ in prepared:
        rows.setdefault(loop, []).append(row)
    for loop, members in rows.items():
        loop(members)
