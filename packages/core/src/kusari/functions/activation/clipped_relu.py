"""Rectified linear unit with an upper bound."""

from __future__ import annotations

import numbers

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.elementwise import OutputActivation, PiecewiseLinearGrad
from kusari.functions.fused import fusable
from kusari.kernels import activation as kernels


class ClippedReLU(OutputActivation):
    """y = min(max(x, 0), z)."""


def clipped_relu_grad(y: Variable, gy: Variable, z: float) -> Variable:
    """Return gy where 0 < y < z, else 0."""
    return PiecewiseLinearGrad(kernels.CLIPPED_RELU._replace(parameters=(z,))).apply((y, gy))[0]


@fusable(kernels.CLIPPED_RELU, clipped_relu_grad)
def clipped_relu(x: VariableLike, z: float = 20.0) -> Variable:
    """Clamp values to 0 … z.

    y = min(max(x, 0), z). NaN stays NaN.

    Args:
        x: Any shape, floating.
        z: The upper bound, above 0.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating.
        TypeError: ``z`` is not a number.
        ValueError: ``z`` is not above 0.

    >>> clipped_relu(np.asarray([[-1.0, 10.0, 30.0]], "f")).array
    array([[ 0., 10., 20.]], dtype=float32)
    """
    if not isinstance(z, numbers.Real):
        raise TypeError(f"clipped_relu(z={z!r}): expected a number")
    if not z > 0:
        raise ValueError(f"clipped_relu(z={z}): expected an upper bound above 0")
    return ClippedReLU(kernels.CLIPPED_RELU._replace(parameters=(float(z),))).apply((x,))[0]


@fusable(kernels.RELU6, clipped_relu_grad)
def relu6(x: VariableLike) -> Variable:
    """Clamp values to 0 … 6.

    y = min(max(x, 0), 6). NaN stays NaN.

    Args:
        x: Any shape, floating.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating.

    Source: Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010.

    >>> relu6(np.asarray([-1.0, 3.0, 30.0], "f")).array
    array([0., 3., 6.], dtype=float32)
    """
    return ClippedReLU(kernels.RELU6).apply((x,))[0]
