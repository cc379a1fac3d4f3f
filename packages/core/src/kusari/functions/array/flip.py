"""Reversing an axis."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.axes import normal_axis
from kusari.autograd.variable import VariableLike


class Flip(FunctionNode):
    """One axis back to front."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.backend.xp.flip(inputs[0], axis=self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (type(self)(self.axis).apply(grad_outputs)[0],)


def flip(x: VariableLike, axis: int) -> Variable:
    """Reverse the order of elements along an axis.

    Args:
        x: Any shape.
        axis: Which.

    Raises:
        InvalidType: ``x`` has no such axis.
        TypeError: ``axis`` is not an integer.

    >>> flip(np.asarray([[1.0, 2.0], [3.0, 4.0]]), 1).array
    array([[2., 1.],
           [4., 3.]])
    """
    x = as_variable(x)
    return Flip(normal_axis("flip", axis, x.ndim)).apply((x,))[0]
