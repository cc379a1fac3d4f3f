"""Product over axes."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.axes import reduced_axes
from kusari.autograd.shaping import broadcast_to, reshape, transpose
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.math.cumprod import running_product
from kusari.functions.math.scan import shift
from kusari.types import Shape


class Prod(FunctionNode):
    """y = Π x over axes; dy/dx[k] = the product of all but x[k], of those before and those behind."""

    def __init__(self, axis: Shape, keepdims: bool) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self.retain_inputs((0,))
        return (self.backend.xp.prod(x, axis=self.axis, keepdims=self.keepdims, dtype=x.dtype),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,), shape = self.get_retained_inputs(), self.inputs[0].shape
        kept = tuple(axis for axis in range(len(shape)) if axis not in self.axis)
        order = (*kept, *self.axis)
        moved_shape = tuple(shape[axis] for axis in order)
        kept_shape = moved_shape[: len(kept)]
        rows = reshape(transpose(x, order) if order else x, (*kept_shape, math.prod(moved_shape[len(kept) :])))
        last = len(kept)
        before = shift(running_product(rows, last), last, backwards=False, fill=1)
        behind = shift(running_product(rows, last, reverse=True), last, backwards=True, fill=1)
        gy = broadcast_to(reshape(grad_outputs[0], (*kept_shape, 1)), rows.shape)
        moved = reshape(gy * before * behind, moved_shape)
        inverse = tuple(sorted(range(len(order)), key=order.__getitem__))
        return (transpose(moved, inverse) if order else moved,)


def prod(x: VariableLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Variable:
    """Return the product over axes.

    Args:
        x: Any shape, floating; zeros are no exception for the gradient.
        axis: One axis or several; None: all.
        keepdims: Leave the reduced axes, with length 1.

    Raises:
        InvalidType: ``x`` is not floating, or lacks an axis.
        ValueError: An axis twice.
        TypeError: ``axis`` is neither None nor an int nor a tuple of ints.

    >>> prod(np.asarray([[1.0, 2.0], [3.0, 4.0]]), axis=1).array
    array([ 2., 12.])
    """
    x = as_variable(x)
    return Prod(reduced_axes("prod", axis, x.ndim), keepdims).apply((x,))[0]
