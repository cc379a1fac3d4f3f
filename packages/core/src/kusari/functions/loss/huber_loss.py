"""Huber loss."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.shaping import broadcast_to, reshape
from kusari.autograd.type_check import expect
from kusari.autograd.variable import VariableLike
from kusari.functions.loss.difference import Difference
from kusari.functions.loss.reduction import check_reduce
from kusari.functions.math.clip import Clip
from kusari.kernels import loss as kernels
from kusari.kernels.reduction import total


class HuberLoss(Difference):
    """d²/2 where |d| ≤ δ, else δ(|d| − δ/2), with d = x − t; the derivative is d, kept within ±δ."""

    names = ("x", "t")

    def __init__(self, delta: float, summed: bool) -> None:
        self.delta = delta
        self.summed = summed

    def check_type_forward(self, in_types: Any) -> None:
        super().check_type_forward(in_types)
        if self.summed:
            expect(in_types[0].ndim >= 2)

    def error(self, difference: Any) -> Any:
        return kernels.huber(self.backend, difference, self.delta)

    def slope(self, difference: Variable) -> Variable:
        return Clip(-self.delta, self.delta).apply((difference,))[0]

    def reduce(self, errors: Any) -> Any:
        return total(self.backend, errors, 1) if self.summed else errors

    def spread(self, gy: Variable) -> Variable:
        if not self.summed:
            return gy
        shape = self.inputs[0].shape
        return broadcast_to(reshape(gy, (shape[0], 1, *shape[2:])), shape)


def huber_loss(x: VariableLike, t: VariableLike, delta: float, reduce: str = "sum_along_second_axis") -> Variable:
    """Compute the Huber loss: squared where small, absolute where large.

    With d = x − t: d²/2 where |d| ≤ δ, else δ(|d| − δ/2).

    Args:
        x: Any shape, floating.
        t: The same shape and dtype.
        delta: δ, at least 0: where the one turns into the other.
        reduce: ``sum_along_second_axis``, or ``no``.

    Returns:
        x's dtype, and its shape, without the second axis where that is summed.

    Raises:
        ValueError: Another ``reduce``, or a negative ``delta``.
        InvalidType: Not floating, of two shapes or dtypes, or without a second axis to sum over.

    Source: Huber, 1964, Robust estimation of a location parameter.

    >>> huber_loss(np.asarray([[0.0, 1.0]]), np.asarray([[0.5, 4.0]]), 1.0).array
    array([2.625])
    """
    check_reduce("huber_loss", reduce, ("sum_along_second_axis", "no"))
    if delta < 0:
        raise ValueError(f"huber_loss(delta={delta}): expected a number of at least 0")
    return HuberLoss(delta, reduce != "no").apply((x, t))[0]
