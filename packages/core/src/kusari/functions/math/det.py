"""Determinants."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable, type_check
from kusari.autograd.operands import keep_dtype
from kusari.autograd.shaping import reshape, swap_last_axes
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType
from kusari.functions.math.inv import batch_inv
from kusari.functions.math.wide import widened
from kusari.kernels import linalg as kernels


class BatchDet(FunctionNode):
    """y[n] = det a[n]; ga[n] = gy[n] y[n] a[n]⁻ᵀ."""

    label = "det"

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("a",))
        (a,) = in_types
        type_check.expect(a.ndim == 3)
        type_check.expect(a.shape[-1] == a.shape[-2])

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (a,) = inputs
        self.retain_inputs((0,))
        self.retain_outputs((0,))
        return (keep_dtype(self, kernels.determinant(self.backend, widened(self.backend, a)), a),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (a,), (y,) = self.get_retained_inputs(), self.get_retained_outputs()
        return (reshape(grad_outputs[0] * y, (*y.shape, 1, 1)) * swap_last_axes(batch_inv(a)),)


def batch_det(a: VariableLike) -> Variable:
    """Compute the determinant of each matrix of a batch.

    Args:
        a: (B, N, N), floating; 16-bit types are computed in float32. The gradient needs the inverse.

    Returns:
        (B,).

    Raises:
        InvalidType: Another rank, not square, or not floating.

    >>> batch_det(np.asarray([[[2.0, 0.0], [0.0, 3.0]]])).array.round(6)
    array([6.])
    """
    return BatchDet().apply((a,))[0]


def det(a: VariableLike) -> Variable:
    """Compute the determinant of a matrix.

    Args:
        a: (N, N), floating; 16-bit types are computed in float32. The gradient needs the inverse.

    Returns:
        0-d.

    Raises:
        InvalidType: Another rank, not square, or not floating.

    >>> det(np.asarray([[2.0, 0.0], [0.0, 3.0]])).array
    array(6.)
    """
    a = as_variable(a)
    if a.ndim != 2:
        raise InvalidType("det: a.ndim == 2", f"{a.ndim}")
    return reshape(batch_det(reshape(a, (1, *a.shape))), ())
