"""Inverse matrices."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, type_check
from kusari.autograd.operands import keep_dtype
from kusari.autograd.shaping import swap_last_axes
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.math.wide import widened
from kusari.kernels import linalg as kernels


class Inv(FunctionNode):
    """y = a⁻¹; ga = −yᵀ gy yᵀ."""

    ndim = 2

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("a",))
        (a,) = in_types
        type_check.expect(a.ndim == self.ndim)
        type_check.expect(a.shape[-1] == a.shape[-2])

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (a,) = inputs
        self.retain_outputs((0,))
        return (keep_dtype(self, kernels.inverse(self.backend, widened(self.backend, a)), a),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        transposed = swap_last_axes(self.get_retained_outputs()[0])
        return (-(transposed @ grad_outputs[0] @ transposed),)


class BatchInv(Inv):
    """y[n] = a[n]⁻¹."""

    ndim = 3


def inv(a: VariableLike) -> Variable:
    """Invert a matrix.

    Args:
        a: (N, N), floating; 16-bit types are computed in float32.

    Raises:
        InvalidType: Another rank, not square, or not floating.
        ValueError: Singular (where the library tells: on the host it does).

    >>> inv(np.asarray([[1.0, 1.0], [0.0, 2.0]])).array
    array([[ 1. , -0.5],
           [ 0. ,  0.5]])
    """
    return Inv().apply((a,))[0]


def batch_inv(a: VariableLike) -> Variable:
    """Invert each matrix of a batch.

    Args:
        a: (B, N, N), floating; 16-bit types are computed in float32.

    Raises:
        InvalidType: Another rank, not square, or not floating.
        ValueError: One is singular (where the library tells: on the host it does).

    >>> batch_inv(np.asarray([[[2.0]], [[4.0]]])).array
    array([[[0.5 ]],
    <BLANKLINE>
           [[0.25]]])
    """
    return BatchInv().apply((a,))[0]
