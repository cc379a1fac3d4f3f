"""Sigmoid of three straight lines."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.elementwise import OutputActivation, PiecewiseLinearGrad
from kusari.functions.fused import fusable
from kusari.kernels import activation as kernels


class HardSigmoid(OutputActivation):
    """y = min(max(0.2 x + 0.5, 0), 1)."""


def hard_sigmoid_grad(y: Variable, gy: Variable) -> Variable:
    """Return 0.2 gy where 0 < y < 1, else 0."""
    return PiecewiseLinearGrad(kernels.HARD_SIGMOID).apply((y, gy))[0]


@fusable(kernels.HARD_SIGMOID, hard_sigmoid_grad)
def hard_sigmoid(x: VariableLike) -> Variable:
    """Squash values to [0, 1] by three straight lines.

    y = min(max(0.2 x + 0.5, 0), 1). NaN stays NaN.

    Args:
        x: Any shape, floating.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating.

    >>> hard_sigmoid(np.asarray([[-2.6, -1.0, 0.0, 1.0, 2.6]])).array
    array([[0. , 0.3, 0.5, 0.7, 1. ]])
    """
    return HardSigmoid(kernels.HARD_SIGMOID).apply((x,))[0]
