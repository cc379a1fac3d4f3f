"""Elementwise kernels: an expression as one fused kernel, for arrays of any strides."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.backend.expression import Expression, NotElementwise, evaluate, infer_dtypes, prologue_function
from kusari_cupy.layout import memory_order
from kusari_cupy.syntax import operation, parameters, render_rows

_log = logging.getLogger(__name__)


class Typed:
    """An expression with its dtypes fixed, and the kernels made of it.

    Raises:
        NotElementwise: CUDA lacks a dtype or an operation.
    """

    def __init__(self, cupy: ModuleType, expression: Expression, dtypes: Sequence[np.dtype[Any]]) -> None:
        self._cupy = cupy
        self._expression = expression
        self._arrays = tuple(dtypes)
        self._dtypes = infer_dtypes(expression, dtypes)
        self.outputs = self._dtypes.outputs(expression)
        inputs, outputs = parameters(expression, self._dtypes, self._arrays)
        body = operation(expression, self._dtypes)
        self.kernel = cupy.ElementwiseKernel(inputs, outputs, body, f"kusari_{expression.name}", no_return=True)

    @functools.cached_property
    def rows_kernel(self) -> Any:
        """The kernel for many rows of dense arrays."""
        return self._cupy.RawKernel(render_rows(self._expression, self._dtypes, self._arrays), "rows")


class Operands(NamedTuple):
    """Arrays of one shape, their axes from the slowest to the fastest in memory of the first whole one."""

    views: Sequence[Any]
    order: Sequence[int] | None
    """Which axis of the result each of the views' is; None: they are as they were."""

    def restored(self, array: Any) -> Any:
        """Return an array that was computed on the views with the result's order of axes."""
        return array if self.order is None else array.transpose(np.argsort(self.order).tolist())


class FusedExpression:
    """One elementwise kernel, compiled per dtypes.

    Called as core wraps it: ``fused(backend, *arrays, *scalars)``. Operands may broadcast and have any strides; new
    results are dense in the memory order of the first whole operand; donated operands are written in place.

    What CUDA cannot write (``pow`` of integers, say) runs operation by operation; the log of this module says why.
    """

    def __init__(self, expression: Expression, cupy: ModuleType) -> None:
        self.expression = expression
        self.scalars = prologue_function(expression)
        self.donated = tuple(expression.arrays.index(name) for name in expression.donated)
        self._cupy = cupy
        self._typed: dict[tuple[np.dtype[Any], ...], Typed | None] = {}

    def __call__(self, backend: Backend, *operands: Any) -> Any:
        count = len(self.expression.arrays)
        arrays: list[Any] = [
            a if isinstance(a, backend.array_types) else backend.as_array(a, a) for a in operands[:count]
        ]
        typed = self.typed(tuple([backend.host_dtype(array.dtype) for array in arrays]))
        if typed is None:
            return evaluate(self.expression, backend.xp, arrays, operands[count:])
        laid_out = self.lay_out(arrays)
        outputs = self.place(typed, laid_out)
        typed.kernel(*laid_out.views, *self.scalars(*operands[count:]), *outputs)
        made = tuple([laid_out.restored(output) for output in outputs])
        return made if self.expression.returns_tuple else made[0]

    def typed(self, dtypes: tuple[np.dtype[Any], ...]) -> Typed | None:
        """Return the expression for arrays of these dtypes; None, and say why in the log, where CUDA lacks it."""
        if dtypes not in self._typed:
            try:
                self._typed[dtypes] = Typed(self._cupy, self.expression, dtypes)
            except NotElementwise as error:
                self._typed[dtypes] = None
                _log.info("%s runs operation by operation: %s", self.expression.name, error)
        return self._typed[dtypes]

    def lay_out(self, arrays: Sequence[Any]) -> Operands:
        """Broadcast arrays, and turn their axes so that the first whole one is C-contiguous if it is dense.

        CuPy then makes a single axis of them; of channels-last arrays taken as they are it would compute each
        element's place along four, and write C-contiguous results.
        """
        shape = arrays[0].shape
        if all(array.shape == shape and array.flags.c_contiguous for array in arrays):
            return Operands(arrays, None)
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        whole = next((array for array in arrays if array.shape == shape), None)
        order = list(range(len(shape))) if whole is None else memory_order(whole.strides)
        spread = [array if array.shape == shape else self._cupy.broadcast_to(array, shape) for array in arrays]
        return Operands([array.transpose(order) for array in spread], order)

    def place(self, typed: Typed, operands: Operands) -> list[Any]:
        """Choose each result's memory: the donated operand's, if it is whole and of the result's dtype, or new."""
        placed = []
        for place, dtype in enumerate(typed.outputs):
            view = operands.views[self.donated[place]] if place < len(self.donated) else None
            if view is not None and view.dtype == dtype and (view.size <= 1 or 0 not in view.strides):
                placed.append(view)
            else:
                placed.append(self._cupy.empty(operands.views[0].shape, dtype))
        return placed
