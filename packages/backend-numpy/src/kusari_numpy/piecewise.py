"""Elementwise kernels without a compiler: NumPy's operations on pieces of the arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from kusari.backend.expression import Expression, NotElementwise
from kusari_numpy.syntax import memory_plan, plain_function
from kusari_numpy.workspace import workspace

HostArray = np.ndarray[Any, Any]

NOT_OPERATIONS: Final = ("array", "scalar", "constant")


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
        self._loops: dict[tuple[int | None, ...], Callable[..., None]] = {}
        if sum(step.op not in NOT_OPERATIONS for step in expression.program) < 2:
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

    def prepared(self, scalars: Sequence[float]) -> tuple[float, ...]:
        """Return the scalars as the loop takes them."""
        return tuple(scalars)

    def loop(self, in_place: tuple[int | None, ...]) -> Callable[..., None]:
        """Return a function of a piece of the arrays and of the new results, and scalars."""
        found = self._loops.get(in_place)
        if found is None:
            found = self._loops[in_place] = self._made(in_place)
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
