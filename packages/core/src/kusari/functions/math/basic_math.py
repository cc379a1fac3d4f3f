"""Arithmetic at its documented path: Variable's own operators, and the sum of many."""

from __future__ import annotations

import functools
import operator
from typing import Any

from kusari.autograd import FunctionNode, Variable, arithmetic, as_variable
from kusari.autograd.arithmetic import Absolute as Absolute
from kusari.autograd.arithmetic import Add as Add
from kusari.autograd.arithmetic import Div as Div
from kusari.autograd.arithmetic import Mul as Mul
from kusari.autograd.arithmetic import Neg as Neg
from kusari.autograd.arithmetic import Sub as Sub
from kusari.autograd.arithmetic import absolute as absolute
from kusari.autograd.arithmetic import divide as divide
from kusari.autograd.arithmetic import multiply as multiply
from kusari.autograd.arithmetic import negative as negative
from kusari.autograd.arithmetic import subtract as subtract
from kusari.autograd.operands import refuse_promotion
from kusari.autograd.powers import power as power
from kusari.autograd.shaping import sum_to
from kusari.autograd.variable import VariableLike


class MultiAdd(FunctionNode):
    """Σ xs, broadcast, in one step of the graph."""

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        for x in inputs[1:]:
            refuse_promotion(self, inputs[0], x)
        return (functools.reduce(operator.add, inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        return tuple([sum_to(grad_outputs[0], self.inputs[index].shape) for index in indexes])


def add(*xs: VariableLike) -> Variable:
    """Add arrays, elementwise, in one step of the graph.

    Args:
        xs: One or more; shapes that broadcast, and one dtype. Of two, the second may be a number.

    Raises:
        TypeError: None given.
        InvalidType: Dtypes that differ.

    >>> add(np.asarray([1.0, 2.0]), np.asarray([10.0, 20.0]), np.asarray([5.0])).array
    array([16., 27.])
    """
    if not xs:
        raise TypeError("add(): expected one array or more")
    if len(xs) == 2:
        return arithmetic.add(as_variable(xs[0]), xs[1])
    return MultiAdd().apply(xs)[0]
