"""Softplus: a smooth rectified linear unit."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.elementwise import OutputActivation
from kusari.functions.fused import fusable
from kusari.kernels import activation as kernels


class Softplus(OutputActivation):
    """y = log(1 + exp(βx)) / β; dy/dx = 1 − exp(−βy)."""


class SoftplusGrad(FunctionNode):
    """gy (1 − exp(−βy))."""

    def __init__(self, beta: float) -> None:
        self.beta = beta

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1))
        return (kernels.softplus_grad(self.backend, *inputs, self.beta),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (y, gy), (g,) = self.get_retained_inputs(), grad_outputs
        along = softplus_grad(y, g, self.beta)
        # β exp(−βy) is β less β times the slope.
        return tuple([along if index else self.beta * gy * (g - along) for index in indexes])


def softplus_grad(y: Variable, gy: Variable, beta: float) -> Variable:
    """Return gy (1 − exp(−βy))."""
    return SoftplusGrad(beta).apply((y, gy))[0]


@fusable(kernels.SOFTPLUS, softplus_grad)
def softplus(x: VariableLike, beta: float = 1.0) -> Variable:
    """Apply a smooth rectified linear unit elementwise.

    y = log(1 + exp(βx)) / β; for large β, max(x, 0).

    Args:
        x: Any shape, floating.
        beta: How sharp the bend at 0 is; not 0.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating.
        ZeroDivisionError: ``beta`` is 0.

    Source: Dugas, Bengio, Bélisle, Nadeau, Garcia, Incorporating Second-Order Functional Knowledge for Better Option
    Pricing, NIPS 2000.

    >>> softplus(np.asarray([-1.0, 0.0, 1.0])).array.round(4)
    array([0.3133, 0.6931, 1.3133])
    """
    if beta == 0:
        raise ZeroDivisionError("softplus(beta=0): expected a number other than 0; the formula divides by it")
    return Softplus(kernels.SOFTPLUS._replace(parameters=(float(beta),))).apply((x,))[0]
