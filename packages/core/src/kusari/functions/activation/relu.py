"""Rectified linear unit."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.fused import fusable
from kusari.kernels import activation as kernels


class ReLU(FunctionNode):
    """y = max(x, 0); dy/dx is read off y."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_outputs((0,))
        return (kernels.relu(self.backend, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (y,) = self.get_retained_outputs()
        return (relu_grad(y, grad_outputs[0]),)


class ReLUGrad(FunctionNode):
    """gy where y > 0, else 0; linear in gy, and flat in y."""

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0,))
        return (kernels.relu_grad(self.backend, *inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        (y,) = self.get_retained_inputs()
        return tuple([relu_grad(y, grad_outputs[0]) if index else None for index in indexes])


def relu_grad(y: Variable, gy: Variable) -> Variable:
    """Return gy where y > 0, else 0."""
    return ReLUGrad().apply((y, gy))[0]


@fusable(kernels.RELU, relu_grad)
def relu(x: VariableLike) -> Variable:
    """Clamp negative values to zero.

    y = max(x, 0). NaN stays NaN.

    Args:
        x: Any shape, floating.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating.

    >>> relu(np.asarray([[-1.0, 0.0, 2.0]], "f")).array
    array([[0., 0., 2.]], dtype=float32)
    """
    return ReLU().apply((x,))[0]
