"""Interpolation between two arrays."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, type_check
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.kernels import elementwise as kernels


class LinearInterpolate(FunctionNode):
    """z = p x + (1 − p) y; dz/dp = x − y, dz/dx = p, dz/dy = 1 − p."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("p", "x", "y"))
        p, x, y = in_types
        type_check.expect(x.dtype == p.dtype, y.dtype == p.dtype, x.shape == p.shape, y.shape == p.shape)

    def forward(self, inputs: tuple[Any, Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1, 2))
        return (kernels.linear_interpolate(self.backend, *inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (p, x, y), (gz,) = self.get_retained_inputs(), grad_outputs
        if indexes == (0,):
            return ((x - y) * gz,)
        gx = p * gz  # and dz/dy is what remains of gz
        return tuple([(x - y) * gz if i == 0 else gx if i == 1 else gz - gx for i in indexes])


def linear_interpolate(p: VariableLike, x: VariableLike, y: VariableLike) -> Variable:
    """Interpolate between ``y`` (p = 0) and ``x`` (p = 1), elementwise.

    z = p x + (1 − p) y.

    Args:
        p: The weight of ``x``; any shape, floating.
        x: The shape and dtype of ``p``.
        y: The shape and dtype of ``p``.

    Raises:
        InvalidType: Not floating, or shapes or dtypes that differ.

    >>> linear_interpolate(np.asarray([0.0, 0.25]), np.asarray([1.0, 1.0]), np.asarray([5.0, 5.0])).array
    array([5., 4.])
    """
    return LinearInterpolate().apply((p, x, y))[0]
