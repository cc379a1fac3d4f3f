"""DeCov penalty: covariances between hidden units."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.loss.composed import ComposedLoss
from kusari.functions.loss.cross_covariance import centred, covariance, penalty
from kusari.functions.loss.reduction import check_reduce
from kusari.functions.math.elementwise import masked


class DeCov(ComposedLoss):
    """C = (h − h̄)ᵀ(h − h̄) / N without its diagonal, or Σ C² / 2."""

    def __init__(self, reduce: str) -> None:
        self.reduce = reduce

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("h",))
        expect(in_types[0].ndim == 2)

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the penalty by plain functions."""
        h = centred(inputs[0])
        xp, native = h.xp, h.device.native
        unit = xp.arange(h.shape[1], device=native)
        different = xp.expand_dims(unit, axis=1) != unit
        return (penalty(masked(covariance(h, h), different), self.reduce),)


def decov(h: VariableLike, reduce: str = "half_squared_sum") -> Variable:
    """Compute the sum of squared covariances between different hidden units, halved.

    C = (h − h̄)ᵀ(h − h̄) / N; Σ Cᵢⱼ² / 2 over i ≠ j.

    Args:
        h: (N, K), floating.
        reduce: ``half_squared_sum``, or ``no`` for C itself, with zeros on its diagonal.

    Returns:
        0-d, or (K, K) for ``reduce="no"``.

    Raises:
        ValueError: Another ``reduce``.
        InvalidType: Not floating, or of another rank.

    Source: Cogswell, Ahmed, Girshick, Zitnick, Batra, 2016, Reducing overfitting in deep networks by decorrelating
    representations, arXiv:1511.06068.

    >>> decov(np.asarray([[1.0, 2.0], [3.0, 5.0]]), reduce="no").array
    array([[0. , 1.5],
           [1.5, 0. ]])
    """
    check_reduce("decov", reduce, ("half_squared_sum", "no"))
    return DeCov(reduce).apply((h,))[0]
