"""Largest and smallest values over axes, and where they are."""

from __future__ import annotations

from typing import Any, ClassVar

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.axes import reduced_axes
from kusari.autograd.shaping import broadcast_to, reshape
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import masked
from kusari.functions.math.scan import single_axis
from kusari.types import Shape


class Selection(FunctionNode):
    """y = one of the values along axes; each value that is equal to y gets the gradient."""

    operation: ClassVar[str]

    def __init__(self, axis: Shape, keepdims: bool) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self.retain_inputs((0,))
        self.retain_outputs((0,))
        return (getattr(self.backend.xp, self.operation)(x, axis=self.axis, keepdims=self.keepdims),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,), (y,) = self.get_retained_inputs(), self.get_retained_outputs()
        kept = tuple(1 if axis in self.axis else length for axis, length in enumerate(x.shape))
        chosen = x.array == self.backend.xp.reshape(y.array, kept)
        return (masked(broadcast_to(reshape(grad_outputs[0], kept), x.shape), chosen),)


class Max(Selection):
    """y = the largest value."""

    operation = "max"


class Min(Selection):
    """y = the smallest value."""

    operation = "min"


class IndexSelection(FunctionNode):
    """y = the place of one of the values along an axis, int32; no gradient."""

    operation: ClassVar[str]

    def __init__(self, axis: int | None) -> None:
        self.axis = axis

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        xp = self.backend.xp
        found = getattr(xp, self.operation)(inputs[0], axis=self.axis)
        return (xp.astype(self.backend.as_array(found, inputs[0]), xp.int32),)


class ArgMax(IndexSelection):
    """y = the place of the largest value."""

    operation = "argmax"


class ArgMin(IndexSelection):
    """y = the place of the smallest value."""

    operation = "argmin"


def max(x: VariableLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Variable:
    """Return the largest value over axes; where several are equal, each gets the whole gradient.

    Args:
        x: Any shape, floating.
        axis: One axis or several; None: all.
        keepdims: Leave the reduced axes, with length 1.

    Raises:
        InvalidType: ``x`` is not floating, or lacks an axis.
        ValueError: An axis twice, or nothing to choose from.
        TypeError: ``axis`` is neither None nor an int nor a tuple of ints.

    >>> max(np.asarray([[1.0, 5.0], [4.0, 3.0]]), axis=1).array
    array([5., 4.])
    """
    x = as_variable(x)
    return Max(reduced_axes("max", axis, x.ndim), keepdims).apply((x,))[0]


def min(x: VariableLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Variable:
    """Return the smallest value over axes; where several are equal, each gets the whole gradient.

    Arguments and errors are those of `max`.

    >>> min(np.asarray([[1.0, 5.0], [4.0, 3.0]]), axis=1).array
    array([1., 3.])
    """
    x = as_variable(x)
    return Min(reduced_axes("min", axis, x.ndim), keepdims).apply((x,))[0]


def argmax(x: VariableLike, axis: int | None = None) -> Variable:
    """Return the place of the largest value, the first where several are equal; no gradient flows through.

    Args:
        x: Any shape, floating.
        axis: Along which; None: the place in the flattened array.

    Returns:
        int32, without the axis.

    Raises:
        InvalidType: ``x`` is not floating, or lacks the axis.
        TypeError: ``axis`` is neither None nor an int.

    >>> argmax(np.asarray([[1.0, 5.0], [4.0, 3.0]]), axis=1).array
    array([1, 0], dtype=int32)
    """
    x = as_variable(x)
    return ArgMax(single_axis("argmax", axis, x.ndim)).apply((x,))[0]


def argmin(x: VariableLike, axis: int | None = None) -> Variable:
    """Return the place of the smallest value, the first where several are equal; no gradient flows through.

    Arguments, result and errors are those of `argmax`.

    >>> argmin(np.asarray([[1.0, 5.0], [4.0, 3.0]]), axis=1).array
    array([0, 1], dtype=int32)
    """
    x = as_variable(x)
    return ArgMin(single_axis("argmin", axis, x.ndim)).apply((x,))[0]
