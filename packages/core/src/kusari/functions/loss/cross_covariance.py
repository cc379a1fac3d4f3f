"""Cross-covariance penalty."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.arithmetic import matmul
from kusari.autograd.shaping import mean, transpose
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.loss.composed import ComposedLoss
from kusari.functions.loss.reduction import check_reduce


class CrossCovariance(ComposedLoss):
    """C = (y − ȳ)ᵀ(z − z̄) / N, or Σ C² / 2."""

    def __init__(self, reduce: str) -> None:
        self.reduce = reduce

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("y", "z"))
        y, z = in_types
        expect(y.dtype == z.dtype)
        expect(y.ndim == 2, z.ndim == 2)
        expect(y.shape[0] == z.shape[0])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the penalty by plain functions."""
        y, z = inputs
        return (penalty(covariance(centred(y), centred(z)), self.reduce),)


def centred(x: Variable) -> Variable:
    """Return x − x̄, of x (N, K)."""
    return x - mean(x, axis=0, keepdims=True)


def covariance(y: Variable, z: Variable) -> Variable:
    """Return yᵀz / N of y (N, K) and z (N, L), whose means are 0: (K, L)."""
    return matmul(transpose(y), z) * (1 / max(y.shape[0], 1))


def penalty(c: Variable, reduce: str) -> Variable:
    """Return Σ C² / 2, or C itself for ``no``."""
    return c if reduce == "no" else sum_over(c * c) * 0.5


def cross_covariance(y: VariableLike, z: VariableLike, reduce: str = "half_squared_sum") -> Variable:
    """Compute the sum of squared covariances between the columns of two matrices, halved.

    C = (y − ȳ)ᵀ(z − z̄) / N; Σ Cᵢⱼ² / 2.

    Args:
        y: (N, K), floating.
        z: (N, L), of the same dtype.
        reduce: ``half_squared_sum``, or ``no`` for C itself.

    Returns:
        0-d, or (K, L) for ``reduce="no"``.

    Raises:
        ValueError: Another ``reduce``.
        InvalidType: Ranks, lengths or dtypes that do not fit.

    Source: Cheung, Livezey, Bansal, Olshausen, 2014, Discovering hidden factors of variation in deep networks,
    arXiv:1412.6583.

    >>> y, z = np.asarray([[1.0, 2.0], [3.0, 5.0]]), np.asarray([[1.0], [2.0]])
    >>> cross_covariance(y, z, reduce="no").array
    array([[0.5 ],
           [0.75]])
    """
    check_reduce("cross_covariance", reduce, ("half_squared_sum", "no"))
    return CrossCovariance(reduce).apply((y, z))[0]
