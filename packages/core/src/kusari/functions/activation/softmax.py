"""Softmax: exponentials that sum to 1."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.kernels import softmax as kernels


class Softmax(FunctionNode):
    """y = eˣ / Σ eˣ along one axis."""

    def __init__(self, axis: int = 1) -> None:
        self.axis = axis

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        expect(in_types[0].ndim > self.axis, in_types[0].ndim >= -self.axis)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_outputs((0,))
        return (kernels.softmax(self.backend, inputs[0], self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (y,) = self.get_retained_outputs()
        return (softmax_grad(y, grad_outputs[0], self.axis),)


class SoftmaxGrad(FunctionNode):
    """y (gy − Σ gy y)."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1))
        return (kernels.softmax_grad(self.backend, *inputs, self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (y, gy), (g,) = self.get_retained_inputs(), grad_outputs
        return tuple([softmax_grad(y, g, self.axis) if index else self._grad_output(y, gy, g) for index in indexes])

    def _grad_output(self, y: Variable, gy: Variable, g: Variable) -> Variable:
        """Return the gradient of y: g (gy − Σ gy y) − gy Σ g y."""
        mean, other = (gy * y).sum(axis=self.axis, keepdims=True), (g * y).sum(axis=self.axis, keepdims=True)
        return g * (gy - mean) - gy * other


def softmax_grad(y: Variable, gy: Variable, axis: int) -> Variable:
    """Return y (gy − Σ gy y)."""
    return SoftmaxGrad(axis).apply((y, gy))[0]


def softmax(x: VariableLike, axis: int = 1) -> Variable:
    """Turn scores into probabilities along an axis, without overflow.

    y = eˣ / Σ eˣ.

    Args:
        x: Any shape with that axis, floating.
        axis: Along which the probabilities sum to 1.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating, or has no such axis.

    >>> softmax(np.asarray([[0.0, 2.0, 4.0]])).array.round(4)
    array([[0.0159, 0.1173, 0.8668]])
    """
    return Softmax(axis).apply((x,))[0]
