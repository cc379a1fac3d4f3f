"""Loops over rows of flat dense arrays: what an elementwise kernel becomes, compiled or in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from kusari.backend.expression import Expression, NotElementwise, infer_dtypes, prologue_function
from kusari_numpy.compiled_available import installed
from kusari_numpy.generated import load_loops
from kusari_numpy.syntax import render, scalar_kinds
from kusari_numpy.threads import pool

HostArray = np.ndarray[Any, Any]

PIECE: Final = 2**16
"""Numbers that a thread computes at a time: taking the next ones costs next to nothing."""
WORTH_A_THREAD: Final = 2**17
"""Numbers for each thread, at least: of half as many, relu takes 12 µs, and another thread begins after 20."""


class Row(NamedTuple):
    """One set of operands of a loop."""

    operands: Sequence[HostArray]
    """Arrays and new results, flat."""
    scalars: Sequence[float]


class Loop(Protocol):
    """Computes rows, on all threads."""

    def __call__(self, rows: Sequence[Row]) -> None: ...


class Typed:
    """An expression with its dtypes fixed, and the loops made of it.

    Raises:
        NotElementwise: numba lacks a dtype or an operation, or does it slowly; or there is no numba.
    """

    def __init__(self, expression: Expression, dtypes: Sequence[np.dtype[Any]]) -> None:
        if not installed("numba"):
            raise NotElementwise("numba is not installed")
        self.expression = expression
        self.dtypes = tuple(dtypes)
        self.outputs = infer_dtypes(expression, dtypes).outputs(expression)
        self._loops: dict[tuple[int | None, ...], CompiledLoop] = {}
        render(expression, self.dtypes, (None,) * len(self.outputs))  # refuses what cannot be written

    def takes(self, size: int) -> bool:
        """Tell whether arrays of so many numbers should go through the loop."""
        return True

    def loop(self, in_place: tuple[int | None, ...]) -> Loop:
        """Return the loop that writes these results in place."""
        found = self._loops.get(in_place)
        if found is None:
            found = self._loops[in_place] = CompiledLoop(self.expression, self.dtypes, in_place)
        return found


class CompiledLoop:
    """A loop that numba compiles: each thread is called once, and takes pieces of all rows.

    Where each piece went through the interpreter, and an MLP's biases operation by operation, its update took 0.6 ms
    besides the loop; so 0.35.
    """

    def __init__(self, expression: Expression, dtypes: Sequence[np.dtype[Any]], in_place: Sequence[int | None]) -> None:
        self.functions = load_loops(expression.name, render(expression, dtypes, in_place))
        """See `kusari_numpy.syntax.FRAME`."""
        self._scalars = prologue_function(expression)
        self._operands = len(dtypes) + in_place.count(None)
        self._kinds = scalar_kinds(expression, infer_dtypes(expression, dtypes))

    def __call__(self, rows: Sequence[Row]) -> None:
        """Compute rows."""
        place, take_rows = self.functions["place"], self.functions["take_rows"]
        table = np.empty((len(rows), self._operands + 1), np.int64)
        numbers = np.empty((len(rows), len(self._kinds)))
        size = 0
        for number, (operands, scalars) in enumerate(rows):
            place(table, number, *operands)
            numbers[number] = self._scalars(*scalars)
            size += operands[0].size
        pool().take_turns(take_rows, (table, numbers, PIECE), pool().sharing(size // WORTH_A_THREAD))
