"""Parametric rectified linear unit."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.elementwise import ParametricActivation, along_channels
from kusari.functions.activation.leaky_relu import leaky_relu
from kusari.functions.activation.relu import relu
from kusari.kernels import activation as kernels
from kusari.types import Array


class PReLUFunction(ParametricActivation):
    """y = x where x ≥ 0, else W x."""

    def compute(self, x: Array, W: Array) -> Array:
        return kernels.prelu(self.backend, x, W)

    def differentiate(self, x: Array, W: Array, gy: Array) -> tuple[Array, Array]:
        return kernels.prelu_grad(self.backend, x, W, gy)

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the positive part and W times the negative part; at 0 the slope is the positive part's."""
        x, W = inputs
        return (leaky_relu(x, 0) - along_channels(W, x.ndim) * relu(-x),)


def prelu(x: VariableLike, W: VariableLike) -> Variable:
    """Scale negative values by learned slopes.

    y = x where x ≥ 0, else W x.

    Args:
        x: (N, *channels, …), floating.
        W: The slopes, of shape ``channels``: as many of ``x``'s axes after the first as ``W`` has; () for one slope.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: Shapes that do not fit, two dtypes, or something that is not floating.

    Source: He, Zhang, Ren, Sun, 2015, arXiv:1502.01852.

    >>> prelu(np.asarray([[-2.0, -2.0, 2.0]], "f"), np.asarray([0.5, 0.25, 0.5], "f")).array
    array([[-1. , -0.5,  2. ]], dtype=float32)
    """
    return PReLUFunction().apply((x, W))[0]
