"""Leaky rectified linear unit."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.elementwise import OutputActivation, PiecewiseLinearGrad
from kusari.functions.fused import fusable
from kusari.kernels import activation as kernels


class LeakyReLU(OutputActivation):
    """y = x where x ≥ 0, else slope · x; dy/dx is read off y, or off x where y does not have its sign."""

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (slope,) = self.activation.parameters
        if slope > 0:
            self.retain_outputs((0,))
        else:
            self.retain_inputs((0,))
        return (self.activation.apply(self.backend, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (signed,) = self.get_retained_outputs() or self.get_retained_inputs()
        return (leaky_relu_grad(signed, grad_outputs[0], *self.activation.parameters),)


def leaky_relu_grad(y: Variable, gy: Variable, slope: float) -> Variable:
    """Return gy where y ≥ 0, else slope · gy."""
    return PiecewiseLinearGrad(kernels.LEAKY_RELU._replace(parameters=(slope,))).apply((y, gy))[0]


@fusable(kernels.LEAKY_RELU, leaky_relu_grad)
def leaky_relu(x: VariableLike, slope: float = 0.2) -> Variable:
    """Scale negative values down.

    y = x where x ≥ 0, else slope · x.

    Args:
        x: Any shape, floating.
        slope: Of the negative side; any number.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating.

    Source: Maas, Hannun, Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models, ICML 2013.

    >>> leaky_relu(np.asarray([[-1.0, 0.0, 2.0]], "f")).array
    array([[-0.2,  0. ,  2. ]], dtype=float32)
    """
    return LeakyReLU(kernels.LEAKY_RELU._replace(parameters=(float(slope),))).apply((x,))[0]
