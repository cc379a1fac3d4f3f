"""Exponential linear unit."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.elementwise import OutputActivation
from kusari.functions.activation.leaky_relu import leaky_relu
from kusari.functions.fused import activation_gradient, fusable
from kusari.functions.math.elementwise import masked
from kusari.kernels import activation as kernels
from kusari.kernels.activation import Activation


class ELU(OutputActivation):
    """y = x where x ≥ 0, else α(eˣ − 1); dy/dx is read off y."""


class ELUGrad(FunctionNode):
    """gy times a constant where y ≥ 0, else gy(y + a constant); also that of SELU."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1))
        return (self.activation.backpropagate(self.backend, *inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (y, gy), (g,) = self.get_retained_inputs(), grad_outputs
        own = self.activation
        return tuple([activation_gradient(own, y, g) if i else masked(g * gy, y.array < 0) for i in indexes])


def elu_grad(y: Variable, gy: Variable, alpha: float) -> Variable:
    """Return gy where y ≥ 0, else gy(y + α)."""
    return ELUGrad(kernels.ELU._replace(parameters=(alpha,))).apply((y, gy))[0]


@fusable(kernels.ELU, elu_grad)
def elu(x: VariableLike, alpha: float = 1.0) -> Variable:
    """Apply the exponential linear unit elementwise.

    y = x where x ≥ 0, else α(eˣ − 1).

    Args:
        x: Any shape, floating.
        alpha: Where the negative side saturates: y > −α.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating.

    Source: Clevert, Unterthiner, Hochreiter, 2016, arXiv:1511.07289.

    >>> elu(np.asarray([[-1.0, 0.0, 2.0]], "f")).array.round(3)
    array([[-0.632,  0.   ,  2.   ]], dtype=float32)
    """
    if not alpha > 0:  # then the sign of y does not tell that of x; eˣ − 1 does
        return leaky_relu(elu(x), alpha)
    return ELU(kernels.ELU._replace(parameters=(float(alpha),))).apply((x,))[0]
