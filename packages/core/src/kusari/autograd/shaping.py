"""Function nodes of shapes: reshape, transpose, sum, mean, broadcast, cast."""

from __future__ import annotations

import math
from typing import Any

from kusari import dtypes
from kusari.autograd.axes import reduced_axes
from kusari.autograd.function_node import FunctionNode
from kusari.autograd.type_check import expect_floating, invalid
from kusari.autograd.variable import Variable, VariableLike, as_variable
from kusari.kernels.reduction import average, total
from kusari.types import Shape


class Reshape(FunctionNode):
    """The same elements in another shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        try:
            return (self.backend.xp.reshape(x, self.shape),)
        except ValueError:
            raise invalid(self.label, f"a shape of {x.size} elements", f"shape {self.shape}") from None

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (reshape(grad_outputs[0], self.inputs[0].shape),)


class Transpose(FunctionNode):
    """The axes in another order."""

    def __init__(self, axes: Shape) -> None:
        self.axes = axes

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.backend.xp.permute_dims(inputs[0], self.axes),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        inverse = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return (transpose(grad_outputs[0], tuple(inverse)),)


class Sum(FunctionNode):
    """Σ x over axes."""

    def __init__(self, axis: Shape, keepdims: bool) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (total(self.backend, inputs[0], self.axis, self.keepdims),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (g,), shape = grad_outputs, self.inputs[0].shape
        if not self.keepdims:
            g = reshape(g, tuple(1 if axis in self.axis else n for axis, n in enumerate(shape)))
        return (broadcast_to(g, shape),)


class Mean(Sum):
    """Σ x / n over axes of n elements; NaN for none."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        if x.size == 0:
            return (super().forward(inputs)[0] * math.nan,)
        # Not the sum over n: a sum of float16 may overflow where the mean does not.
        return (average(self.backend, x, self.axis, self.keepdims),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        count = math.prod(self.inputs[0].shape[axis] for axis in self.axis)
        return super().backward(indexes, (grad_outputs[0] * (1 / count if count else math.nan),))


class BroadcastTo(FunctionNode):
    """The array repeated to a shape, without copying."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        try:
            return (self.backend.xp.broadcast_to(x, self.shape),)
        except ValueError:
            raise invalid(self.label, f"a shape that {x.shape} can be repeated to", f"shape {self.shape}") from None

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (sum_to(grad_outputs[0], self.inputs[0].shape),)


class SumTo(FunctionNode):
    """Σ over the axes that broadcasting to the input's shape would repeat."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        lead = x.ndim - len(self.shape)
        axes = tuple(i for i in range(x.ndim) if i < lead or (self.shape[i - lead] == 1 and x.shape[i] != 1))
        return (self.backend.xp.reshape(total(self.backend, x, axes, keepdims=True), self.shape),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (broadcast_to(grad_outputs[0], self.inputs[0].shape),)


class Cast(FunctionNode):
    """x in another dtype."""

    def __init__(self, dtype: dtypes.DTypeLike) -> None:
        self.dtype = dtypes.host_dtype(dtype)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        return (self.backend.xp.astype(x, self.backend.native_dtype(self.dtype)),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (cast(grad_outputs[0], self.inputs[0].dtype),)


def reshape(x: VariableLike, shape: Shape) -> Variable:
    """Return the same elements in another shape; one length may be -1.

    Args:
        x: Any shape.
        shape: Of as many elements; -1 stands for the length that makes it so.

    Raises:
        InvalidType: Another number of elements.
        ValueError: More than one -1.

    >>> reshape(Variable(np.arange(6.0)), (2, -1)).shape
    (2, 3)
    """
    shape = tuple(shape)
    if isinstance(x, Variable) and x.shape == shape:
        return x
    if shape.count(-1) > 1:
        raise ValueError(f"reshape(shape={shape}): expected one -1 at most")
    return Reshape(shape).apply((x,))[0]


def transpose(x: VariableLike, axes: tuple[int, ...] | None = None) -> Variable:
    """Return the axes in another order; None: reversed.

    Args:
        x: Any shape.
        axes: Each axis once; negative ones count from the end.

    Raises:
        ValueError: ``axes`` are not those of ``x``.

    >>> transpose(Variable(np.zeros((2, 3, 4))), (1, 0, 2)).shape
    (3, 2, 4)
    """
    x = as_variable(x)
    order = tuple(range(x.ndim))[::-1] if not axes else tuple([axis + x.ndim if axis < 0 else axis for axis in axes])
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"transpose(axes={axes}): expected each of the {x.ndim} axes once")
    return Transpose(order).apply((x,))[0]


def swap_last_axes(x: Variable) -> Variable:
    """Return the matrices of the last two axes transposed."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def sum(x: VariableLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Variable:
    """Return the sum over axes.

    Args:
        x: Any shape.
        axis: One axis or several; None: all.
        keepdims: Leave the summed axes, with length 1.

    Raises:
        InvalidType: An axis that ``x`` does not have.
        ValueError: An axis twice.
        TypeError: Neither None nor an int nor a tuple of ints.

    >>> sum(Variable(np.ones((2, 3))), axis=0).array
    array([2., 2., 2.])
    """
    x = as_variable(x)
    return Sum(reduced_axes("sum", axis, x.ndim), keepdims).apply((x,))[0]


def mean(x: VariableLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Variable:
    """Return the mean over axes.

    >>> mean(Variable(np.arange(4.0))).array
    array(1.5)
    """
    x = as_variable(x)
    return Mean(reduced_axes("mean", axis, x.ndim), keepdims).apply((x,))[0]


def broadcast_to(x: VariableLike, shape: Shape) -> Variable:
    """Return the array repeated to a shape.

    Args:
        x: Any shape.
        shape: Axes of length 1 in ``x`` may have any length there; more axes may come in front.

    Raises:
        InvalidType: ``x`` cannot be repeated to that shape.

    >>> broadcast_to(Variable(np.arange(3.0)), (2, 3)).shape
    (2, 3)
    """
    shape = tuple(shape)
    if isinstance(x, Variable) and x.shape == shape:
        return x
    return BroadcastTo(shape).apply((x,))[0]


def sum_to(x: VariableLike, shape: Shape) -> Variable:
    """Return the sum over the axes that broadcasting from ``shape`` would repeat.

    >>> sum_to(Variable(np.ones((2, 3))), (1, 3)).array
    array([[2., 2., 2.]])
    """
    shape = tuple(shape)
    if isinstance(x, Variable) and x.shape == shape:
        return x
    return SumTo(shape).apply((x,))[0]


def sum_like(node: FunctionNode, indexes: tuple[int, ...], gradients: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """Sum each gradient over the axes along which its input was broadcast."""
    x, y = node.inputs
    if x.shape == y.shape:
        return gradients
    return tuple([sum_to(g, node.inputs[i].shape) for i, g in zip(indexes, gradients, strict=True)])


def cast(x: VariableLike, typ: dtypes.DTypeLike) -> Variable:
    """Return x in another dtype; the gradient comes back in x's.

    Args:
        x: Any shape and dtype.
        typ: A dtype, or its name.

    >>> cast(Variable(np.ones(2, "f")), "float64").dtype
    dtype('float64')
    """
    x = as_variable(x)
    if x.dtype == dtypes.host_dtype(typ):
        return x
    return Cast(typ).apply((x,))[0]
