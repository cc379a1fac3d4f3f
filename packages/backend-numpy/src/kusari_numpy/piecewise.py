"""Elementwise kernels without a compiler: NumPy's operations on pieces of the arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from kusari.backend.expression import Expression, NotElementwise
from kusari_numpy.syntax import plain_function, replaceable

HostArray = np.ndarray[Any, Any]

NOT_OPERATIONS: Final = ("array", "scalar", "constant")


class Piecewise:
    """An expression operation by operation, a piece at a time: what lies between two operations stays in the cache.

    Results take the memory of what nobody reads afterwards. A million float32 numbers, two threads: Adam takes 4.5 ms,
    and 6.5 with a new piece for each operation, which was a fifth of what it took over whole arrays. A single operation
    has nothing between, and is slower in pieces.

    Args:
        expression: What is computed.
        dtypes: Of the arrays.

    Raises:
        NotElementwise: It is no more than one operation, or a result has not the arrays' shape.
    """

    piece: Final = 2**16
    """Numbers; with fewer, threads that call NumPy wait for the interpreter's lock."""

    def __init__(self, expression: Expression, dtypes: Sequence[Any]) -> None:
        self.expression = expression
        self.plain = plain_function(expression, replaceable(expression, dtypes))
        if sum(step.op not in NOT_OPERATIONS for step in expression.program) < 2:
            raise NotElementwise("one operation needs no pieces")
        with np.errstate(all="ignore"):
            made = self._results([np.ones(1, dtype) for dtype in dtypes], [0.5] * len(expression.scalars))
        if any(result.shape != (1,) for result in made):
            raise NotElementwise("a result does not have the shape of the arrays")
        self.outputs = [result.dtype for result in made]

    def takes(self, size: int) -> bool:
        """Tell whether arrays of so many numbers should go in pieces."""
        # An error halfway would leave arrays of which a part is written.
        return size >= self.piece and "raise" not in np.geterr().values()

    def prepared(self, scalars: Sequence[float]) -> tuple[float, ...]:
        """Return the scalars as the loop takes them."""
        return tuple(scalars)

    def loop(self, in_place: tuple[int | None, ...]) -> Callable[..., None]:
        """Return a function of a piece of the arrays and of the new results, and scalars."""
        count, new = len(self.expression.arrays), in_place.count(None)

        def run(*operands: Any) -> None:
            arrays, fresh = operands[:count], iter(operands[count : count + new])
            made = self._results(arrays, operands[count + new :])
            for source, result in zip(in_place, made, strict=True):
                target = next(fresh) if source is None else arrays[source]
                target[...] = result

        return run

    def _results(self, arrays: Sequence[HostArray], scalars: Sequence[float]) -> Sequence[HostArray]:
        made = self.plain(np, *arrays, *scalars)
        return made if self.expression.returns_tuple else (made,)
