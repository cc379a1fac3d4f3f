"""Elementwise kernels without a compiler: NumPy's operations on pieces of the arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from kusari.backend.expression import Expression, NotElementwise
from kusari_numpy.loops import Loop, Row
from kusari_numpy.syntax import memory_plan, plain_function
from kusari_numpy.threads import pool
from kusari_numpy.workspace import workspace

HostArray = np.ndarray[Any, Any]

LEAVES: Final = ("array", "scalar", "constant")
"""What a program has besides operations."""


class Piecewise:
    """An expression operation by operation, a piece at a time: what lies between two operations stays in the cache.

    Operations write to scratch memory, or where the results belong. A million float32 numbers, two threads: Adam takes
    2.7 ms, and 6.5 with a new piece for each operation, which was a fifth of what it took over whole arrays. A single
    operation has nothing between, and is slower in pieces.

    Args:
        expression: What is computed.
        dtypes: Of the arrays.

    Raises:
        NotElementwise: It is no more than one operation, or a result has not the arrays' shape.
    """

    piece: Final = 2**17
    """Numbers; with fewer, threads that call NumPy wait for the interpreter's lock."""

    def __init__(self, expression: Expression, dtypes: Sequence[Any]) -> None:
        self.expression = expression
        self.dtypes = tuple(dtypes)
        self._loops: dict[tuple[int | None, ...], Loop] = {}
        if sum(step.op not in LEAVES for step in expression.program) < 2:
            raise NotElementwise("one operation needs no pieces")
        with np.errstate(all="ignore"):
            plain = plain_function(expression)
            results = plain(np, *[np.ones(1, dtype) for dtype in dtypes], *[0.5] * len(expression.scalars))
        made = results if expression.returns_tuple else (results,)
        if any(result.shape != (1,) for result in made):
            raise NotElementwise("a result does not have the shape of the arrays")
        self.outputs = [result.dtype for result in made]

    def takes(self, size: int) -> bool:
        """Tell whether arrays of so many numbers should go in pieces."""
        # An error halfway would leave arrays of which a part is written.
        return size >= self.piece and "raise" not in np.geterr().values()

    def loop(self, in_place: tuple[int | None, ...]) -> Loop:
        """Return what computes rows, and writes these results in place."""
        found = self._loops.get(in_place)
        if found is None:
            piece, compute = self.piece, self._made(in_place)
            found = self._loops[in_place] = lambda rows: _in_pieces(compute, rows, piece)
        return found

    def _made(self, in_place: tuple[int | None, ...]) -> Callable[..., None]:
        expression, count, new = self.expression, len(self.expression.arrays), in_place.count(None)
        memory, scratch = memory_plan(expression, self.dtypes, in_place)
        plain, names = plain_function(expression, memory), sorted(set(memory.values()))

        def run(*operands: Any) -> None:
            arrays, fresh, scalars = operands[:count], iter(operands[count : count + new]), operands[count + new :]
            targets = [next(fresh) if source is None else arrays[source] for source in in_place]
            space = {name: workspace(f"piece {name}", arrays[0].shape, dtype) for name, dtype in scratch.items()}
            space |= {f"o{number}": target for number, target in enumerate(targets)}
            made = plain(np, *arrays, *scalars, *[space[name] for name in names])
            for target, result in zip(targets, made if expression.returns_tuple else (made,), strict=True):
                if result is not target:
                    target[...] = result

        return run


def _in_pieces(compute: Callable[..., None], rows: Sequence[Row], size: int) -> None:
    """Compute pieces of rows, of so many numbers each, on all threads."""
    pieces = [(row, first) for row in rows for first in range(0, row.operands[0].size, size)]

    def work(number: int) -> None:
        (operands, scalars), first = pieces[number]
        compute(*(operand[first : first + size] for operand in operands), *scalars)

    pool().run(work, len(pieces))
