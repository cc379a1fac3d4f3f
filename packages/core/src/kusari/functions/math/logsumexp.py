"""Logarithm of a sum of exponentials."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.axes import reduced_axes
from kusari.autograd.shaping import broadcast_to, reshape
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.math.exponential import exp
from kusari.kernels import reduction as kernels
from kusari.types import Shape


class LogSumExp(FunctionNode):
    """y = ln Σ eˣ; dy/dx = e^(x − y)."""

    def __init__(self, axis: Shape) -> None:
        self.axis = axis

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_inputs((0,))
        self.retain_outputs((0,))
        return (kernels.logsumexp(self.backend, inputs[0], self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,), (y,) = self.get_retained_inputs(), self.get_retained_outputs()
        kept = tuple(1 if axis in self.axis else length for axis, length in enumerate(x.shape))
        y, gy = (broadcast_to(reshape(v, kept), x.shape) for v in (y, grad_outputs[0]))
        return (gy * exp(x - y),)


def logsumexp(x: VariableLike, axis: int | tuple[int, ...] | None = None) -> Variable:
    """Compute ln Σ eˣ over axes; the largest value is taken out first, so that nothing overflows.

    Args:
        x: Any shape, floating.
        axis: One axis or several; None: all.

    Returns:
        Without the axes; −∞ where there is none but −∞ (whose gradient is NaN).

    Raises:
        InvalidType: ``x`` is not floating, or lacks an axis.
        ValueError: An axis twice, or nothing to sum over.
        TypeError: ``axis`` is neither None nor an int nor a tuple of ints.

    >>> round(logsumexp(np.asarray([1000.0, 1000.0])).item(), 4)
    1000.6931
    """
    x = as_variable(x)
    return LogSumExp(reduced_axes("logsumexp", axis, x.ndim)).apply((x,))[0]
