"""Choosing between two arrays elementwise."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.shaping import sum_to
from kusari.autograd.type_check import expect
from kusari.autograd.variable import VariableLike, constant
from kusari.functions.array.broadcast import common_shape


class Where(FunctionNode):
    """x where the condition holds, else y; broadcast."""

    def check_type_forward(self, in_types: Any) -> None:
        condition, x, y = in_types
        expect(condition.dtype.kind == "b", x.dtype == y.dtype)

    def forward(self, inputs: tuple[Any, Any, Any]) -> tuple[Any]:
        common_shape(self.label, *(array.shape for array in inputs))
        self.retain_inputs((0,))
        return (self.backend.xp.where(*inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        (condition,), (g,) = self.get_retained_inputs(), grad_outputs
        zero = constant(g.xp.zeros((), dtype=g.array.dtype, device=g.array.device), g.device)
        made: list[Variable | None] = []
        for index in indexes:
            if index == 0:
                made.append(None)
            else:
                sides = (g, zero) if index == 1 else (zero, g)
                made.append(sum_to(Where().apply((condition, *sides))[0], self.inputs[index].shape))
        return tuple(made)


def where(condition: VariableLike, x: VariableLike, y: VariableLike) -> Variable:
    """Choose elementwise: x where the condition holds, else y.

    Args:
        condition: Booleans.
        x: Any shape and dtype.
        y: ``x``'s dtype; all three shapes broadcast.

    Raises:
        InvalidType: ``condition`` is not boolean, dtypes differ, or shapes do not broadcast.

    >>> where(np.asarray([True, False]), np.asarray([1.0, 2.0]), np.asarray(0.0)).array
    array([1., 0.])
    """
    return Where().apply((condition, x, y))[0]
