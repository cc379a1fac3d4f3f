"""Elementwise kernels: an expression as one compiled loop, or in pieces, for arrays that are worth it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.backend.expression import Expression, NotElementwise, infer_dtypes, prologue_function, scalar_dtypes
from kusari_numpy.compiled_available import installed
from kusari_numpy.generated import load_loop
from kusari_numpy.pieces import PIECE
from kusari_numpy.piecewise import Piecewise
from kusari_numpy.syntax import NUMBA, plain_function, render
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_like, memory_order

HostArray = np.ndarray[Any, Any]

SMALLEST: Final = 2**15
"""Below so many numbers NumPy computes operation by operation.

A loop costs 12 to 20 µs however short it is, to which NumPy's single operations catch up at 30,000 numbers. Beyond, on
one thread, float32: Adam of a million numbers 2.0 ms (NumPy 25), RMSprop 1.5 (7.6), momentum 1.4 (3.1), relu_grad 1.2
(8.1, for its choice between random signs), relu 1.0 (1.2).
"""
SMALLEST_SHARING: Final = 2**12
"""Where an update's rows are large together, a row from here on goes through the loop: Adam's NumPy takes as long."""

_log = logging.getLogger(__name__)


class Row(NamedTuple):
    """One set of operands, ready for its loop."""

    loop: Callable[..., None]
    operands: list[HostArray]
    """Arrays and new results, flat."""
    scalars: tuple[Any, ...]
    results: tuple[HostArray, ...]
    piece: int
    """Numbers that are computed in one call."""

    def run(self, first: int, last: int) -> None:
        """Compute a range."""
        self.loop(*(operand[first:last] for operand in self.operands), *self.scalars)


class Typed:
    """An expression with its dtypes fixed, and the loops made of it.

    Raises:
        NotElementwise: numba lacks a dtype or an operation, or does it slowly; or there is no numba.
    """

    piece: Final = PIECE

    def __init__(self, expression: Expression, dtypes: Sequence[Any]) -> None:
        if not installed("numba"):
            raise NotElementwise("numba is not installed")
        self.expression = expression
        self.dtypes = infer_dtypes(expression, dtypes)
        self.outputs = self.dtypes.outputs(expression)
        self._kinds = tuple(dtype.type for dtype in scalar_dtypes(expression, self.dtypes, NUMBA))
        self._prologue = prologue_function(expression)
        self._loops: dict[tuple[int | None, ...], Callable[..., None]] = {}
        render(expression, self.dtypes, (None,) * len(self.outputs))  # refuses what cannot be written

    def takes(self, size: int) -> bool:
        """Tell whether arrays of so many numbers should go through the loop."""
        return True

    def prepared(self, scalars: Sequence[float]) -> tuple[Any, ...]:
        """Return what the loop takes instead of the scalars."""
        return tuple([kind(value) for kind, value in zip(self._kinds, self._prologue(*scalars), strict=True)])

    def loop(self, in_place: tuple[int | None, ...]) -> Callable[..., None]:
        """Return the loop that writes these results in place."""
        found = self._loops.get(in_place)
        if found is None:
            source = render(self.expression, self.dtypes, in_place)
            found = self._loops[in_place] = load_loop(self.expression.name, source)
        return found


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

    def __call__(self, backend: Backend, *operands: Any) -> Any:
        if operands[0].size < SMALLEST or (row := self.row(operands)) is None:
            return self.plain(backend.xp, *operands)
        _run([row])
        return row.results if self.expression.returns_tuple else row.results[0]

    def run_rows(self, backend: Backend, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return each row's results; all rows share the threads.

        Where many arrays make a large one together, the loop is worth being compiled.
        """
        sizes = [operands[0].size for operands in rows]
        least = SMALLEST_SHARING if sum(sizes) >= SMALLEST else SMALLEST
        prepared = [self.row(operands) if size >= least else None for operands, size in zip(rows, sizes, strict=True)]
        _run([row for row in prepared if row is not None])
        return [
            self.plain(backend.xp, *operands) if row is None else row.results
            for operands, row in zip(rows, prepared, strict=True)
        ]

    def row(self, operands: Sequence[Any]) -> Row | None:
        """Return what a loop needs; None where there is none for these dtypes or memory formats."""
        count = len(self.expression.arrays)
        arrays = operands[:count]
        if any(type(array) is not np.ndarray or not array.dtype.isnative for array in arrays):
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
        return Row(typed.loop(tuple(in_place)), flat, typed.prepared(operands[count:]), results, typed.piece)

    def typed(self, dtypes: tuple[np.dtype[Any], ...]) -> Typed | Piecewise | None:
        """Return the expression for arrays of these dtypes, or None; the log says why there is no loop."""
        if dtypes not in self._typed:
            self._typed[dtypes] = self._made(dtypes)
        return self._typed[dtypes]

    def _made(self, dtypes: tuple[np.dtype[Any], ...]) -> Typed | Piecewise | None:
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
    if all(array.flags.c_contiguous for array in arrays):
        order = tuple(range(first.ndim))
    else:
        order = tuple(memory_order(first))
    flat = []
    for array in arrays:
        if array.shape != first.shape or not (view := array.transpose(order)).flags.c_contiguous:
            return None
        flat.append(view.reshape(-1))
    return flat


def _run(rows: Sequence[Row]) -> None:
    pieces = [(row, first) for row in rows for first in range(0, row.operands[0].size, row.piece)]

    def work(piece: int) -> None:
        row, first = pieces[piece]
        row.run(first, first + row.piece)

    if len(pieces) == 1:
        work(0)  # nothing to share
    else:
        pool().run(work, len(pieces))
