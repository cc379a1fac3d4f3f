"""Cholesky factor."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, type_check
from kusari.autograd.operands import keep_dtype
from kusari.autograd.shaping import transpose
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.functions.math.inv import inv
from kusari.functions.math.wide import widened
from kusari.kernels import linalg as kernels


class Cholesky(FunctionNode):
    """a = L Lᵀ, L lower triangular; ga is the symmetric part of L⁻ᵀ Φ(Lᵀ gL) L⁻¹.

    Φ keeps the lower triangle, with half of the diagonal.
    """

    label = "cholesky"

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("a",))
        (a,) = in_types
        type_check.expect(a.ndim == 2)
        type_check.expect(a.shape[0] == a.shape[1])

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (a,) = inputs
        self.retain_outputs((0,))
        return (keep_dtype(self, kernels.cholesky(self.backend, widened(self.backend, a)), a),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (lower,), xp = self.get_retained_outputs(), self.backend.xp
        ones = xp.ones_like(lower.array)
        halved = constant(keep_dtype(self, (xp.tril(ones) + xp.tril(ones, k=-1)) * 0.5, ones), self.device)
        inverse = inv(lower)
        g = transpose(inverse) @ (transpose(lower) @ grad_outputs[0] * halved) @ inverse
        return ((g + transpose(g)) * 0.5,)


def cholesky(a: VariableLike) -> Variable:
    """Factor a symmetric positive definite matrix.

    a = L Lᵀ with L lower triangular; the gradient is symmetric.

    Args:
        a: (N, N), floating; the lower triangle is read. 16-bit types are computed in float32.

    Returns:
        L (N, N).

    Raises:
        InvalidType: Another rank, not square, or not floating.
        ValueError: Not positive definite (where the library tells: on the host it does).

    Source: Murray, 2016, arXiv:1602.07527.

    >>> cholesky(np.asarray([[4.0, 2.0], [2.0, 5.0]])).array
    array([[2., 0.],
           [1., 2.]])
    """
    return Cholesky().apply((a,))[0]
