"""Swish: x gated by its own sigmoid."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.elementwise import ParametricActivation, along_channels
from kusari.functions.activation.sigmoid import sigmoid
from kusari.kernels import activation as kernels
from kusari.types import Array


class Swish(ParametricActivation):
    """y = x σ(βx)."""

    def compute(self, x: Array, W: Array) -> Array:
        return kernels.swish(self.backend, x, W)

    def differentiate(self, x: Array, W: Array, gy: Array) -> tuple[Array, Array]:
        return kernels.swish_grad(self.backend, x, W, gy)

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return x times a sigmoid."""
        x, beta = inputs
        return (x * sigmoid(along_channels(beta, x.ndim) * x),)


def swish(x: VariableLike, beta: VariableLike) -> Variable:
    """Gate values by their own sigmoid.

    y = x / (1 + exp(−βx)).

    Args:
        x: (N, *channels, …), floating.
        beta: Learned, of shape ``channels``: as many of ``x``'s axes after the first as ``beta`` has; () for one β.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: Shapes that do not fit, two dtypes, or something that is not floating.

    Source: Ramachandran, Zoph, Le, 2017, arXiv:1710.05941.

    >>> swish(np.asarray([[-1.0, 0.0, 2.0]]), np.asarray(1.0)).array.round(4)
    array([[-0.2689,  0.    ,  1.7616]])
    """
    return Swish().apply((x, beta))[0]
