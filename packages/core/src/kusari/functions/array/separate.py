"""Taking an array apart along an axis."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.axes import normal_axis
from kusari.autograd.variable import VariableLike
from kusari.functions.array.sequences import all_gradients
from kusari.functions.array.stack import stack


class Separate(FunctionNode):
    """x[0], x[1], … along an axis, which goes."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, inputs: tuple[Any]) -> tuple[Any, ...]:
        pieces: tuple[Any, ...] = self.backend.xp.unstack(inputs[0], axis=self.axis)
        self.shapes = [piece.shape for piece in pieces]
        return pieces

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, ...]) -> tuple[Variable]:
        return (stack(all_gradients(self, grad_outputs, self.shapes), axis=self.axis),)


def separate(x: VariableLike, axis: int = 0) -> tuple[Variable, ...]:
    """Take an array apart along an axis, which the pieces lack.

    Args:
        x: One axis or more.
        axis: Which.

    Returns:
        As many Variables as the axis is long.

    Raises:
        InvalidType: No such axis.
        TypeError: ``axis`` is not an integer.

    >>> [piece.shape for piece in separate(np.zeros((2, 3)), axis=1)]
    [(2,), (2,), (2,)]
    """
    x = as_variable(x)
    axis = normal_axis("separate", axis, x.ndim)
    return Separate(axis).apply((x,)) if x.shape[axis] else ()
