"""Logistic sigmoid."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.fused import fusable
from kusari.kernels import activation as kernels


class Sigmoid(FunctionNode):
    """y = 1 / (1 + e⁻ˣ); dy/dx = y (1 − y)."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_outputs((0,))
        return (kernels.sigmoid(self.backend, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (y,) = self.get_retained_outputs()
        return (sigmoid_grad(y, grad_outputs[0]),)


class SigmoidGrad(FunctionNode):
    """gy y (1 − y)."""

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1))
        return (kernels.sigmoid_grad(self.backend, *inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (y, gy), (g,) = self.get_retained_inputs(), grad_outputs
        return tuple([sigmoid_grad(y, g) if index else g * gy * (1 - 2 * y) for index in indexes])


def sigmoid_grad(y: Variable, gy: Variable) -> Variable:
    """Return gy y (1 − y)."""
    return SigmoidGrad().apply((y, gy))[0]


@fusable(kernels.SIGMOID, sigmoid_grad)
def sigmoid(x: VariableLike) -> Variable:
    """Squash values to (0, 1).

    y = 1 / (1 + e⁻ˣ).

    Args:
        x: Any shape, floating.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating.

    >>> sigmoid(np.asarray([-2.0, 0.0, 2.0], "f")).array.round(3)
    array([0.119, 0.5  , 0.881], dtype=float32)
    """
    return Sigmoid().apply((x,))[0]
