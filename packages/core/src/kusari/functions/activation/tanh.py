"""Hyperbolic tangent."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.fused import fusable
from kusari.kernels import activation as kernels


class Tanh(FunctionNode):
    """y = tanh x; dy/dx = 1 − y²."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_outputs((0,))
        return (kernels.tanh(self.backend, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (y,) = self.get_retained_outputs()
        return (tanh_grad(y, grad_outputs[0]),)


class TanhGrad(FunctionNode):
    """gy (1 − y²)."""

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1))
        return (kernels.tanh_grad(self.backend, *inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (y, gy), (g,) = self.get_retained_inputs(), grad_outputs
        return tuple([tanh_grad(y, g) if index else -2 * g * gy * y for index in indexes])


def tanh_grad(y: Variable, gy: Variable) -> Variable:
    """Return gy (1 − y²)."""
    return TanhGrad().apply((y, gy))[0]


@fusable(kernels.TANH, tanh_grad)
def tanh(x: VariableLike) -> Variable:
    """Squash values to (−1, 1) by the hyperbolic tangent.

    Args:
        x: Any shape, floating.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating.

    >>> tanh(np.asarray([-1.0, 0.0, 1.0], "f")).array.round(3)
    array([-0.762,  0.   ,  0.762], dtype=float32)
    """
    return Tanh().apply((x,))[0]
