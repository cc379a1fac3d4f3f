"""Variable's own operators: the function nodes of arithmetic, and of reshape, transpose, sum, broadcast, getitem, cast.

Elementary operations of the array module are called directly; kernels are for numbers that a backend may want to
compute another way.
"""

from __future__ import annotations

import math
import numbers
from types import EllipsisType
from typing import Any

from kusari import dtypes
from kusari.autograd.function_node import FunctionNode
from kusari.autograd.variable import Variable, VariableLike, as_variable, constant
from kusari.errors import InvalidType
from kusari.types import Shape

Pair = tuple[Any, Any]


def _is_scalar(value: Any) -> bool:
    """Tell whether ``value`` is a number rather than an array (the host's scalar objects are numbers)."""
    return isinstance(value, numbers.Number) or (getattr(value, "ndim", None) == 0 and hasattr(type(value), "tobytes"))


def _scalar(x: Variable, value: Any) -> Any:
    """Return a number as a plain Python one that does not change ``x``'s dtype: constants take the array's."""
    if value.__class__ is float or value.__class__ is int:
        plain = value
    else:
        plain = value.item() if hasattr(value, "item") else value
    if plain.__class__ is float and x.dtype.kind in "biu":
        return int(plain)
    return plain


def _operand(x: Variable, value: Any) -> Variable:
    """Return the other side of an operator as a Variable: a bare array is cast to ``x``'s dtype."""
    if isinstance(value, Variable):
        return value
    other = as_variable(value)
    if other.dtype != x.dtype:
        backend = other.device.backend
        return constant(backend.xp.astype(other.array, backend.native_dtype(x.dtype)), other.device)
    return other


def _refuse_promotion(node: FunctionNode, x: Any, y: Any) -> None:
    if x.dtype != y.dtype:
        raise InvalidType(
            "in_types[0].dtype == in_types[1].dtype",
            f"{x.dtype} != {y.dtype}",
            f"\nInvalid operation is performed in: {node.label} (Forward)\n\nExpect: operands of one dtype; "
            f"cast one with F.cast\nActual: {x.dtype} != {y.dtype}",
        )


def _keep_dtype(node: FunctionNode, y: Any, x: Any) -> Any:
    """Return ``y`` in ``x``'s dtype: bfloat16 times a Python float is float32 on the host."""
    return y if y.dtype == x.dtype else node.backend.xp.astype(y, x.dtype)


class Add(FunctionNode):
    """x + y, broadcast."""

    @property
    def label(self) -> str:
        """The operator."""
        return "_ + _"

    def forward(self, inputs: Pair) -> tuple[Any]:
        x, y = inputs
        if x.dtype is not y.dtype:
            _refuse_promotion(self, x, y)
        return (x + y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        return _sum_like(self, indexes, grad_outputs * len(indexes))


class AddConstant(FunctionNode):
    """x + c."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        return (_keep_dtype(self, x + self.value, x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return grad_outputs


class Sub(FunctionNode):
    """x − y, broadcast."""

    @property
    def label(self) -> str:
        """The operator."""
        return "_ - _"

    def forward(self, inputs: Pair) -> tuple[Any]:
        x, y = inputs
        if x.dtype is not y.dtype:
            _refuse_promotion(self, x, y)
        return (x - y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (g,) = grad_outputs
        return _sum_like(self, indexes, tuple([-g if index else g for index in indexes]))


class SubFromConstant(FunctionNode):
    """c − x."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        return (_keep_dtype(self, self.value - x, x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (-grad_outputs[0],)


class Mul(FunctionNode):
    """x · y, broadcast."""

    @property
    def label(self) -> str:
        """The operator."""
        return "_ * _"

    def forward(self, inputs: Pair) -> tuple[Any]:
        x, y = inputs
        if x.dtype is not y.dtype:
            _refuse_promotion(self, x, y)
        if self.recording:
            self._kept_inputs = (0, 1)
        return (x * y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (g,), factors = grad_outputs, self.get_retained_inputs()
        return _sum_like(self, indexes, tuple([Mul().apply((g, factors[1 - index]))[0] for index in indexes]))


class MulConstant(FunctionNode):
    """x · c."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        return (_keep_dtype(self, x * self.value, x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (MulConstant(self.value).apply(grad_outputs)[0],)


class Div(FunctionNode):
    """x / y, broadcast."""

    @property
    def label(self) -> str:
        """The operator."""
        return "_ / _"

    def forward(self, inputs: Pair) -> tuple[Any]:
        x, y = inputs
        if x.dtype is not y.dtype:
            _refuse_promotion(self, x, y)
        self.retain_inputs((0, 1))
        return (x / y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (g,), (x, y) = grad_outputs, self.get_retained_inputs()
        return _sum_like(self, indexes, tuple([-g * x / (y * y) if index else g / y for index in indexes]))


class DivFromConstant(FunctionNode):
    """c / x."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self.retain_inputs((0,))
        return (_keep_dtype(self, self.value / x, x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,) = self.get_retained_inputs()
        return (-self.value * grad_outputs[0] / (x * x),)


class PowVarVar(FunctionNode):
    """xʸ, broadcast."""

    @property
    def label(self) -> str:
        """The operator."""
        return "_ ** _"

    def forward(self, inputs: Pair) -> tuple[Any]:
        x, y = inputs
        if x.dtype is not y.dtype:
            _refuse_promotion(self, x, y)
        self.retain_inputs((0, 1))
        return (self.backend.xp.pow(x, y),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (g,), (x, y) = grad_outputs, self.get_retained_inputs()
        made = [g * x**y * Log().apply((x,))[0] if index else g * y * x ** (y - 1) for index in indexes]
        return _sum_like(self, indexes, tuple(made))


class PowVarConst(FunctionNode):
    """xᶜ."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def label(self) -> str:
        """The operator, with its number."""
        return f"_ ** {self.value}"

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self.retain_inputs((0,))
        return (_keep_dtype(self, self.backend.xp.pow(x, self.value), x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,) = self.get_retained_inputs()
        if self.value == 0:
            return (grad_outputs[0] * 0,)
        return (grad_outputs[0] * self.value * x ** (self.value - 1),)


class PowConstVar(FunctionNode):
    """cˣ."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self.retain_outputs((0,))
        return (_keep_dtype(self, self.backend.xp.pow(self.value, x), x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (y,) = self.get_retained_outputs()
        return (grad_outputs[0] * y * math.log(self.value),)


class Log(FunctionNode):
    """ln x."""

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_inputs((0,))
        return (self.backend.xp.log(inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,) = self.get_retained_inputs()
        return (grad_outputs[0] / x,)


class Neg(FunctionNode):
    """−x."""

    @property
    def label(self) -> str:
        """The operator."""
        return "__neg__"

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (-inputs[0],)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (-grad_outputs[0],)


class Absolute(FunctionNode):
    """|x|; the derivative at 0 is 0."""

    @property
    def label(self) -> str:
        """The operator."""
        return "|_|"

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_inputs((0,))
        return (abs(inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,) = self.get_retained_inputs()
        sign = constant(x.xp.sign(x.array), x.device)
        return (grad_outputs[0] * sign,)


class MatMul(FunctionNode):
    """x y, over the last two axes; leading axes broadcast."""

    @property
    def label(self) -> str:
        """The operator."""
        return "_ @ _"

    def forward(self, inputs: Pair) -> tuple[Any]:
        x, y = inputs
        if x.dtype is not y.dtype:
            _refuse_promotion(self, x, y)
        if x.ndim == 0 or y.ndim == 0:
            raise InvalidType("both operands have one axis or more", f"shapes {x.shape} and {y.shape}")
        self.retain_inputs((0, 1))
        return (self.backend.xp.matmul(x, y),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (g,), (x, y) = grad_outputs, self.get_retained_inputs()
        # A vector is a matrix of one row (left) or one column (right), whose axis the product lacks.
        left = x.reshape(1, -1) if x.ndim == 1 else x
        right = y.reshape(-1, 1) if y.ndim == 1 else y
        if x.ndim == 1 and y.ndim == 1:
            g = g.reshape(1, 1)
        elif x.ndim == 1:
            g = g.reshape(*g.shape[:-1], 1, g.shape[-1])
        elif y.ndim == 1:
            g = g.reshape(*g.shape, 1)
        made = []
        for index in indexes:
            gradient = swap_last_axes(left) @ g if index else g @ swap_last_axes(right)
            side = (left, right)[index]
            made.append(sum_to(gradient, side.shape).reshape((x, y)[index].shape))
        return tuple(made)


class Reshape(FunctionNode):
    """The same elements in another shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.backend.xp.reshape(inputs[0], self.shape),)

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
        (x,) = inputs
        return (self.backend.xp.sum(x, axis=self.axis, keepdims=self.keepdims, dtype=x.dtype),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (g,), shape = grad_outputs, self.inputs[0].shape
        if not self.keepdims:
            g = reshape(g, tuple(1 if axis in self.axis else n for axis, n in enumerate(shape)))
        return (broadcast_to(g, shape),)


class BroadcastTo(FunctionNode):
    """The array repeated to a shape, without copying."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.backend.xp.broadcast_to(inputs[0], self.shape),)

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
        y = self.backend.xp.sum(x, axis=axes, keepdims=True, dtype=x.dtype)
        return (self.backend.xp.reshape(y, self.shape),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (broadcast_to(grad_outputs[0], self.inputs[0].shape),)


class GetItem(FunctionNode):
    """x[key] for slices, integers, None and an ellipsis."""

    def __init__(self, key: tuple[Any, ...]) -> None:
        self.key = key

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (inputs[0][self.key],)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (GetItemGrad(self.key, self.inputs[0].shape).apply(grad_outputs)[0],)


class GetItemGrad(FunctionNode):
    """Zeros with gy at [key]."""

    def __init__(self, key: tuple[Any, ...], shape: Shape) -> None:
        self.key = key
        self.shape = shape

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (gy,) = inputs
        gx = self.backend.xp.zeros(self.shape, dtype=gy.dtype, device=gy.device)
        key = tuple(k for k in self.key if k is not None)  # None adds an axis that an assignment does not know
        gx[key] = self.backend.xp.reshape(gy, gx[key].shape)
        return (gx,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (GetItem(self.key).apply(grad_outputs)[0],)


class Cast(FunctionNode):
    """x in another dtype."""

    def __init__(self, dtype: dtypes.DTypeLike) -> None:
        self.dtype = dtypes.host_dtype(dtype)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        return (self.backend.xp.astype(x, self.backend.native_dtype(self.dtype)),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (cast(grad_outputs[0], self.inputs[0].dtype),)


def _sum_like(node: FunctionNode, indexes: tuple[int, ...], gradients: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """Sum each gradient over the axes along which its input was broadcast."""
    inputs = node.inputs
    for index, gradient in zip(indexes, gradients, strict=True):
        if inputs[index].shape != gradient._array.shape:
            return tuple([sum_to(g, inputs[i].shape) for i, g in zip(indexes, gradients, strict=True)])
    return gradients


# Functions over Variables. ------------------------------------------------------------------------------------------


def add(x: Variable, y: Any) -> Variable:
    """Return x + y."""
    if y.__class__ is Variable:
        return Add().apply((x, y))[0]
    if _is_scalar(y):
        return AddConstant(_scalar(x, y)).apply((x,))[0]
    return Add().apply((x, _operand(x, y)))[0]


def subtract(x: Variable, y: Any) -> Variable:
    """Return x − y."""
    if y.__class__ is Variable:
        return Sub().apply((x, y))[0]
    if _is_scalar(y):
        return AddConstant(-_scalar(x, y)).apply((x,))[0]
    return Sub().apply((x, _operand(x, y)))[0]


def _subtract_from(x: Variable, y: Any) -> Variable:
    if _is_scalar(y):
        return SubFromConstant(_scalar(x, y)).apply((x,))[0]
    return Sub().apply((_operand(x, y), x))[0]


def multiply(x: Variable, y: Any) -> Variable:
    """Return x · y."""
    if y.__class__ is Variable:
        return Mul().apply((x, y))[0]
    if _is_scalar(y):
        return MulConstant(_scalar(x, y)).apply((x,))[0]
    return Mul().apply((x, _operand(x, y)))[0]


def divide(x: Variable, y: Any) -> Variable:
    """Return x / y."""
    if _is_scalar(y):
        return MulConstant(1 / _scalar(x, y)).apply((x,))[0]
    return Div().apply((x, _operand(x, y)))[0]


def _divide_from(x: Variable, y: Any) -> Variable:
    if _is_scalar(y):
        return DivFromConstant(_scalar(x, y)).apply((x,))[0]
    return Div().apply((_operand(x, y), x))[0]


def power(x: Variable, y: Any) -> Variable:
    """Return xʸ."""
    if _is_scalar(y):
        return PowVarConst(_scalar(x, y)).apply((x,))[0]
    return PowVarVar().apply((x, _operand(x, y)))[0]


def _power_from(x: Variable, y: Any) -> Variable:
    if _is_scalar(y):
        return PowConstVar(_scalar(x, y)).apply((x,))[0]
    return PowVarVar().apply((_operand(x, y), x))[0]


def matmul(x: Variable, y: Any) -> Variable:
    """Return the matrix product x y; leading axes broadcast."""
    return MatMul().apply((x, _operand(x, y)))[0]


def _matmul_from(x: Variable, y: Any) -> Variable:
    return MatMul().apply((_operand(x, y), x))[0]


def negative(x: Variable) -> Variable:
    """Return −x."""
    return Neg().apply((x,))[0]


def absolute(x: VariableLike) -> Variable:
    """Return |x|."""
    return Absolute().apply((x,))[0]


def _shape_of(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``f(2, 3)``'s and ``f((2, 3))``'s argument alike."""
    if len(arguments) == 1 and (arguments[0] is None or isinstance(arguments[0], tuple | list)):
        return tuple(arguments[0] or ())
    return arguments


def reshape(x: VariableLike, shape: Shape) -> Variable:
    """Return the same elements in another shape; one length may be -1.

    >>> reshape(Variable(np.arange(6.0)), (2, -1)).shape
    (2, 3)
    """
    shape = tuple(shape)
    if isinstance(x, Variable) and x.shape == shape:
        return x
    return Reshape(shape).apply((x,))[0]


def transpose(x: VariableLike, axes: tuple[int, ...] | None = None) -> Variable:
    """Return the axes in another order; None: reversed.

    >>> transpose(Variable(np.zeros((2, 3, 4))), (1, 0, 2)).shape
    (3, 2, 4)
    """
    x = as_variable(x)
    order = tuple(range(x.ndim))[::-1] if not axes else tuple(axis % x.ndim for axis in axes)
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
        ValueError: An axis that ``x`` does not have, or one twice.

    >>> sum(Variable(np.ones((2, 3))), axis=0).array
    array([2., 2., 2.])
    """
    x = as_variable(x)
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    for one in axes:
        if not -x.ndim <= one < x.ndim:
            raise ValueError(f"sum(axis={axis}): the array has {x.ndim} axes")
    axes = tuple(one % x.ndim for one in axes)
    if len(set(axes)) != len(axes):
        raise ValueError(f"sum(axis={axis}): the same axis twice")
    return Sum(axes, keepdims).apply((x,))[0]


def mean(x: VariableLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Variable:
    """Return the mean over axes.

    >>> mean(Variable(np.arange(4.0))).array
    array(1.5)
    """
    x = as_variable(x)
    total = sum(x, axis, keepdims)
    return total * (total.size / x.size if x.size else math.nan)


def broadcast_to(x: VariableLike, shape: Shape) -> Variable:
    """Return the array repeated to a shape.

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


def get_item(x: VariableLike, key: Any) -> Variable:
    """Return x[key].

    Args:
        x: Any shape.
        key: An integer, a slice, None, an ellipsis, or a tuple of these.

    Raises:
        TypeError: Another kind of index.
        IndexError: Out of range.

    >>> get_item(Variable(np.arange(6.0).reshape(2, 3)), (0, slice(1, None))).array
    array([1., 2.])
    """
    keys = key if isinstance(key, tuple) else (key,)
    for item in keys:
        if not (item is None or isinstance(item, int | slice | EllipsisType)):
            raise TypeError(f"index of type {type(item).__name__}: expected integers, slices, None or an ellipsis")
    x = as_variable(x)
    if Ellipsis not in keys:
        keys = (*keys, Ellipsis)
    return GetItem(keys).apply((x,))[0]


def cast(x: VariableLike, dtype: dtypes.DTypeLike) -> Variable:
    """Return x in another dtype; the gradient comes back in x's.

    >>> cast(Variable(np.ones(2, "f")), "float64").dtype
    dtype('float64')
    """
    x = as_variable(x)
    if x.dtype == dtypes.host_dtype(dtype):
        return x
    return Cast(dtype).apply((x,))[0]


def _iterate(x: Variable) -> Any:
    """Return an iterator over the first axis."""
    if x.ndim == 0:
        raise TypeError("iteration over a 0-d Variable")
    return (x[index] for index in range(x.shape[0]))


_METHODS: dict[str, Any] = {
    "__add__": add,
    "__radd__": add,
    "__sub__": subtract,
    "__rsub__": _subtract_from,
    "__mul__": multiply,
    "__rmul__": multiply,
    "__truediv__": divide,
    "__rtruediv__": _divide_from,
    "__pow__": power,
    "__rpow__": _power_from,
    "__matmul__": matmul,
    "__rmatmul__": _matmul_from,
    "__neg__": negative,
    "__abs__": absolute,
    "__getitem__": get_item,
    "__iter__": _iterate,
    "reshape": lambda self, *shape: reshape(self, _shape_of(shape)),
    "transpose": lambda self, *axes: transpose(self, _shape_of(axes)),
    "sum": sum,
    "mean": mean,
    "T": property(transpose),
}
for _name, _method in _METHODS.items():
    setattr(Variable, _name, _method)
