"""Scaled exponential linear unit."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.elementwise import OutputActivation
from kusari.functions.activation.elu import ELUGrad, elu
from kusari.functions.fused import fusable
from kusari.kernels import activation as kernels


class SELU(OutputActivation):
    """y = scale · x where x ≥ 0, else scale · α(eˣ − 1); dy/dx is read off y."""


def selu_grad(y: Variable, gy: Variable, alpha: float, scale: float) -> Variable:
    """Return scale · gy where y ≥ 0, else gy(y + scale · α)."""
    return ELUGrad(kernels.SELU._replace(parameters=(alpha, scale))).apply((y, gy))[0]


@fusable(kernels.SELU, selu_grad)
def selu(x: VariableLike, alpha: float = 1.6732632423543772, scale: float = 1.0507009873554805) -> Variable:
    """Apply the scaled exponential linear unit elementwise.

    y = scale · x where x ≥ 0, else scale · α(eˣ − 1). With the default numbers, activations of a deep network keep
    mean 0 and variance 1.

    Args:
        x: Any shape, floating.
        alpha: Where the negative side saturates: y > −scale · α.
        scale: Of both sides.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating.

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, 2017, arXiv:1706.02515.

    >>> selu(np.asarray([-1.0, 0.0, 1.0])).array.round(4)
    array([-1.1113,  0.    ,  1.0507])
    """
    if not (alpha > 0 and scale > 0):
        return elu(x, alpha) * scale
    return SELU(kernels.SELU._replace(parameters=(float(alpha), float(scale)))).apply((x,))[0]
