"""Function nodes of arithmetic: what Variable's operators run.

Elementary operations of the array module are called directly; kernels are for numbers that a backend may want to
compute another way.
"""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd.function_node import FunctionNode
from kusari.autograd.operands import is_scalar, keep_dtype, operand, refuse_promotion, scalar
from kusari.autograd.shaping import sum_to, swap_last_axes
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import Variable, VariableLike, constant, variable_of_node
from kusari.errors import InvalidType

Pair = tuple[Any, Any]


class Add(FunctionNode):
    """x + y, broadcast."""

    @property
    def label(self) -> str:
        """The operator."""
        return "_ + _"

    def forward(self, inputs: Pair) -> tuple[Any]:
        x, y = inputs
        if x.dtype is not y.dtype:
            refuse_promotion(self, x, y)
        return (x + y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        return _sum_like(self, indexes, grad_outputs * len(indexes))


class AddConstant(FunctionNode):
    """x + c."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        return (keep_dtype(self, x + self.value, x),)

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
            refuse_promotion(self, x, y)
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
        return (keep_dtype(self, self.value - x, x),)

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
            refuse_promotion(self, x, y)
        if self.recording:
            self._kept_inputs = (0, 1)
        return (x * y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (g,), inputs = grad_outputs, self.inputs
        made = [Mul().apply((g, variable_of_node(inputs[1 - index])))[0] for index in indexes]
        return _sum_like(self, indexes, tuple(made))


class MulConstant(FunctionNode):
    """x · c."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        return (keep_dtype(self, x * self.value, x),)

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
            refuse_promotion(self, x, y)
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
        return (keep_dtype(self, self.value / x, x),)

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
            refuse_promotion(self, x, y)
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
        return (keep_dtype(self, self.backend.xp.pow(x, self.value), x),)

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
        return (keep_dtype(self, self.backend.xp.pow(self.value, x), x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (y,) = self.get_retained_outputs()
        return (grad_outputs[0] * y * math.log(self.value),)


class Log(FunctionNode):
    """y = ln x; dy/dx = 1 / x."""

    label = "log"

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

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
            refuse_promotion(self, x, y)
        if x.ndim == 0 or y.ndim == 0:
            raise InvalidType("both operands have one axis or more", f"shapes {x.shape} and {y.shape}")
        if x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
            raise InvalidType("as many columns left as rows right", f"shapes {x.shape} and {y.shape}")
        self.retain_inputs((0, 1))
        return (keep_dtype(self, self.backend.xp.matmul(x, y), x),)  # bfloat16's product is float32 on the host

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


def _sum_like(node: FunctionNode, indexes: tuple[int, ...], gradients: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """Sum each gradient over the axes along which its input was broadcast."""
    x, y = node.inputs
    if x.shape == y.shape:
        return gradients
    return tuple([sum_to(g, node.inputs[i].shape) for i, g in zip(indexes, gradients, strict=True)])


# Functions over Variables. ------------------------------------------------------------------------------------------


def add(x: Variable, y: Any) -> Variable:
    """Return x + y."""
    if isinstance(y, Variable):
        return Add().apply((x, y))[0]
    if is_scalar(y):
        return AddConstant(scalar(x, y)).apply((x,))[0]
    return Add().apply((x, operand(x, y)))[0]


def subtract(x: Variable, y: Any) -> Variable:
    """Return x − y."""
    if isinstance(y, Variable):
        return Sub().apply((x, y))[0]
    if is_scalar(y):
        return AddConstant(-scalar(x, y)).apply((x,))[0]
    return Sub().apply((x, operand(x, y)))[0]


def subtract_from(x: Variable, y: Any) -> Variable:
    """Return y − x."""
    if is_scalar(y):
        return SubFromConstant(scalar(x, y)).apply((x,))[0]
    return Sub().apply((operand(x, y), x))[0]


def multiply(x: Variable, y: Any) -> Variable:
    """Return x · y."""
    if isinstance(y, Variable):
        return Mul().apply((x, y))[0]
    if is_scalar(y):
        return MulConstant(scalar(x, y)).apply((x,))[0]
    return Mul().apply((x, operand(x, y)))[0]


def divide(x: Variable, y: Any) -> Variable:
    """Return x / y."""
    if is_scalar(y):
        return MulConstant(1 / scalar(x, y)).apply((x,))[0]
    return Div().apply((x, operand(x, y)))[0]


def divide_from(x: Variable, y: Any) -> Variable:
    """Return y / x."""
    if is_scalar(y):
        return DivFromConstant(scalar(x, y)).apply((x,))[0]
    return Div().apply((operand(x, y), x))[0]


def power(x: Variable, y: Any) -> Variable:
    """Return xʸ."""
    if is_scalar(y):
        return PowVarConst(scalar(x, y)).apply((x,))[0]
    return PowVarVar().apply((x, operand(x, y)))[0]


def power_from(x: Variable, y: Any) -> Variable:
    """Return yˣ."""
    if is_scalar(y):
        return PowConstVar(scalar(x, y)).apply((x,))[0]
    return PowVarVar().apply((operand(x, y), x))[0]


def matmul(x: Variable, y: Any) -> Variable:
    """Return the matrix product x y; leading axes broadcast."""
    return MatMul().apply((x, operand(x, y)))[0]


def matmul_from(x: Variable, y: Any) -> Variable:
    """Return the matrix product y x."""
    return MatMul().apply((operand(x, y), x))[0]


def negative(x: Variable) -> Variable:
    """Return −x."""
    return Neg().apply((x,))[0]


def absolute(x: VariableLike) -> Variable:
    """Return |x|."""
    return Absolute().apply((x,))[0]
