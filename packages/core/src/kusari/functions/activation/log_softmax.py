"""Logarithm of the softmax."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.math.exponential import exp
from kusari.kernels import softmax as kernels


class LogSoftmax(FunctionNode):
    """y = x − log Σ eˣ along one axis."""

    def __init__(self, axis: int = 1) -> None:
        self.axis = axis

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        expect(in_types[0].ndim > self.axis, in_types[0].ndim >= -self.axis)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_outputs((0,))
        return (kernels.log_softmax(self.backend, inputs[0], self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (y,) = self.get_retained_outputs()
        return (LogSoftmaxGrad(self.axis).apply((y, grad_outputs[0]))[0],)


class LogSoftmaxGrad(FunctionNode):
    """gy − eʸ Σ gy."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1))
        return (kernels.log_softmax_grad(self.backend, *inputs, self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (y, gy), (g,) = self.get_retained_inputs(), grad_outputs
        p = exp(y)
        weighted = g * p
        gradients = {
            0: lambda: -weighted * gy.sum(axis=self.axis, keepdims=True),
            1: lambda: g - weighted.sum(axis=self.axis, keepdims=True),
        }
        return tuple([gradients[index]() for index in indexes])


def log_softmax(x: VariableLike, axis: int = 1) -> Variable:
    """Compute the logarithm of the softmax along an axis, without overflow.

    y = x − log Σ eˣ.

    Args:
        x: Any shape with that axis, floating.
        axis: Along which the probabilities sum to 1.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating, or has no such axis.

    >>> log_softmax(np.asarray([[0.0, 2.0, 4.0]])).array.round(4)
    array([[-4.1429, -2.1429, -0.1429]])
    """
    return LogSoftmax(axis).apply((x,))[0]
