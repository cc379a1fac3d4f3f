"""Function nodes of arithmetic: what Variable's operators run.

Elementary operations of the array module are called directly; kernels are for numbers that a backend may want to
compute another way.
"""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd.function_node import FunctionNode
from kusari.autograd.operands import (
    INTEGERS,
    integers_refused,
    is_scalar,
    keep_dtype,
    operand,
    refuse_integers,
    refuse_promotion,
    scalar,
)
from kusari.autograd.shaping import sum_like, sum_to, swap_last_axes
from kusari.autograd.variable import Variable, VariableLike, constant, variable_of_node
from kusari.errors import InvalidType
from kusari.kernels.linear import product

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
        return sum_like(self, indexes, grad_outputs * len(indexes))


class AddConstant(FunctionNode):
    """x + c."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def label(self) -> str:
        """The operator, with its number."""
        return f"_ + {self.value}"

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
        return sum_like(self, indexes, tuple([-g if index else g for index in indexes]))


class SubFromConstant(FunctionNode):
    """c − x."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def label(self) -> str:
        """The operator, with its number."""
        return f"{self.value} - _"

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
        return sum_like(self, indexes, tuple(made))


class MulConstant(FunctionNode):
    """x · c."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def label(self) -> str:
        """The operator, with its number."""
        return f"_ * {self.value}"

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
        refuse_integers(self, x)
        self.retain_inputs((0, 1))
        return (x / y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (g,), (x, y) = grad_outputs, self.get_retained_inputs()
        return sum_like(self, indexes, tuple([-g * x / (y * y) if index else g / y for index in indexes]))


class DivFromConstant(FunctionNode):
    """c / x."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def label(self) -> str:
        """The operator, with its number."""
        return f"{self.value} / _"

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        refuse_integers(self, x)
        self.retain_inputs((0,))
        return (keep_dtype(self, self.value / x, x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,) = self.get_retained_inputs()
        return (-self.value * grad_outputs[0] / (x * x),)


class FloorDiv(FunctionNode):
    """⌊x / y⌋, broadcast; no gradient flows through it."""

    @property
    def label(self) -> str:
        """The operator."""
        return "_ // _"

    def forward(self, inputs: Pair) -> tuple[Any]:
        x, y = inputs
        if x.dtype is not y.dtype:
            refuse_promotion(self, x, y)
        return (x // y,)


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
        return (product(self.backend, x, y),)

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
    """Return x / y; a division by a number is a multiplication by its reciprocal."""
    if is_scalar(y):
        if x.dtype.kind in INTEGERS:
            raise integers_refused(f"_ / {y}", x.dtype)
        value = scalar(x, y)
        return MulConstant(1 / value if value else math.copysign(math.inf, value)).apply((x,))[0]
    return Div().apply((x, operand(x, y)))[0]


def divide_from(x: Variable, y: Any) -> Variable:
    """Return y / x."""
    if is_scalar(y):
        return DivFromConstant(scalar(x, y)).apply((x,))[0]
    return Div().apply((operand(x, y), x))[0]


def floor_divide(x: Variable, y: Any) -> Variable:
    """Return ⌊x / y⌋, without gradient."""
    return FloorDiv().apply((x, operand(x, _as_array(x, y))))[0]


def floor_divide_from(x: Variable, y: Any) -> Variable:
    """Return ⌊y / x⌋, without gradient."""
    return FloorDiv().apply((operand(x, _as_array(x, y)), x))[0]


def _as_array(x: Variable, y: Any) -> Any:
    """Return a number as a 0-d array of x's dtype, where x is."""
    return x.xp.asarray(scalar(x, y), dtype=x.array.dtype, device=x.device.native) if is_scalar(y) else y


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
