"""What running sums and products share: nodes along one axis whose derivatives are made of each other."""

from __future__ import annotations

import operator
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.axes import reduced_axes
from kusari.autograd.operands import keep_dtype
from kusari.kernels import scan as kernels


class Shift(FunctionNode):
    """y[k] = x[k − 1] along an axis, or x[k + 1]; ``fill`` at the end that is left free."""

    def __init__(self, axis: int, backwards: bool, fill: float) -> None:
        self.axis = axis
        self.backwards = backwards
        self.fill = fill

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (kernels.shift_by_one(self.backend, inputs[0], self.axis, self.backwards, self.fill),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (shift(grad_outputs[0], self.axis, not self.backwards, 0),)


class LinearRecurrence(FunctionNode):
    """y[k] = x[k] + a[k] y[k − 1] along an axis; in reverse, y[k + 1] takes the place of y[k − 1].

    With λ, the same recurrence run the other way over gy: gx = λ, and ga[k] = λ[k] y[k − 1].
    """

    def __init__(self, axis: int, reverse: bool) -> None:
        self.axis = axis
        self.reverse = reverse

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        a, x = inputs
        self.retain_inputs((0,))
        self.retain_outputs((0,))
        return (keep_dtype(self, kernels.linear_recurrence(self.backend, a, x, self.axis, self.reverse), x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (a,), (y,) = self.get_retained_inputs(), self.get_retained_outputs()
        gx = linear_recurrence(shift(a, self.axis, not self.reverse, 0), grad_outputs[0], self.axis, not self.reverse)
        return tuple([gx if i else gx * shift(y, self.axis, self.reverse, 0) for i in indexes])


def shift(x: Variable, axis: int, backwards: bool, fill: float) -> Variable:
    """Return x[k − 1], or x[k + 1] with ``backwards``, along an axis."""
    return Shift(axis, backwards, fill).apply((x,))[0]


def linear_recurrence(a: Variable, x: Variable, axis: int, reverse: bool) -> Variable:
    """Return y[k] = x[k] + a[k] y[k − 1], or y[k + 1] in ``reverse``, along an axis."""
    return LinearRecurrence(axis, reverse).apply((a, x))[0]


def single_axis(function: str, axis: int | None, ndim: int) -> int | None:
    """Return an axis counted from 0, or None as it is.

    Raises:
        InvalidType: An axis that the array does not have.
        TypeError: Neither None nor an int.

    >>> single_axis("cumsum", -1, 3)
    2
    """
    if axis is None:
        return None
    try:
        return reduced_axes(function, operator.index(axis), ndim)[0]
    except TypeError:
        raise TypeError(f"{function}(axis={axis!r}): expected None or an int") from None
