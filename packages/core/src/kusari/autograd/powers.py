"""Function nodes of powers and the logarithm: what Variable's ``**`` runs."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd.function_node import FunctionNode
from kusari.autograd.operands import is_scalar, keep_dtype, operand, refuse_integers, refuse_promotion, scalar
from kusari.autograd.shaping import sum_like
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import Variable


class PowVarVar(FunctionNode):
    """xʸ, broadcast."""

    @property
    def label(self) -> str:
        """The operator."""
        return "_ ** _"

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        x, y = inputs
        if x.dtype is not y.dtype:
            refuse_promotion(self, x, y)
        refuse_integers(self, x)
        self.retain_inputs((0, 1))
        return (self.backend.xp.pow(x, y),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (g,), (x, y) = grad_outputs, self.get_retained_inputs()
        made = [g * x**y * Log().apply((x,))[0] if index else g * y * x ** (y - 1) for index in indexes]
        return sum_like(self, indexes, tuple(made))


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
        refuse_integers(self, x)
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

    @property
    def label(self) -> str:
        """The operator, with its number."""
        return f"{self.value} ** _"

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        refuse_integers(self, x)
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
