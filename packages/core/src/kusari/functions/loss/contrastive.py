"""Contrastive loss of pairs."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.functions.activation.relu import relu
from kusari.functions.array.where import where
from kusari.functions.loss.composed import ComposedLoss
from kusari.functions.loss.norm import flat_root
from kusari.functions.loss.reduction import check_reduce, reduced
from kusari.functions.math.square import square


class Contrastive(ComposedLoss):
    """(y d² + (1 − y) max(margin − d, 0)²) / 2, with d the distance of a pair."""

    def __init__(self, margin: float, reduce: str) -> None:
        self.margin = margin
        self.reduce = reduce

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 3)
        x0, x1, y = in_types
        expect_floating((x0, x1), names=("x0", "x1"))
        expect(x0.dtype == x1.dtype, x0.shape == x1.shape, x0.ndim == 2)
        expect(y.dtype.kind == "i", y.ndim == 1, y.shape[0] == x0.shape[0])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the loss by plain functions."""
        x0, x1, y = inputs
        squares = sum_over(square(x0 - x1), axis=1)
        gap = relu(self.margin - flat_root(squares))
        alike = constant(y.array == 1, self.device)
        return (reduced(where(alike, squares, square(gap)), self.reduce) * 0.5,)


def contrastive(
    x0: VariableLike, x1: VariableLike, y: VariableLike, margin: float = 1, reduce: str = "mean"
) -> Variable:
    """Compute the contrastive loss: alike pairs attract, others repel up to a margin.

    With dₙ = ‖x0ₙ − x1ₙ‖: (yₙ dₙ² + (1 − yₙ) max(margin − dₙ, 0)²) / 2.

    Args:
        x0: (N, K), floating.
        x1: (N, K), of the same dtype.
        y: (N,), integers: 1 for an alike pair, 0 for another.
        margin: Above 0: where repulsion ends.
        reduce: ``mean``, or ``no`` for one loss per pair.

    Returns:
        0-d, or (N,) for ``reduce="no"``. Where d is 0, the gradient is 0.

    Raises:
        ValueError: Another ``reduce``, or a margin not above 0.
        InvalidType: Ranks, shapes or dtypes that do not fit.

    Source: Hadsell, Chopra, LeCun, 2006, Dimensionality reduction by learning an invariant mapping.

    >>> x0, x1 = np.asarray([[0.0, 0.0], [0.0, 0.0]]), np.asarray([[3.0, 4.0], [0.0, 0.5]])
    >>> contrastive(x0, x1, np.asarray([1, 0]), reduce="no").array
    array([12.5  ,  0.125])
    """
    check_reduce("contrastive", reduce, ("mean", "no"))
    if margin <= 0:
        raise ValueError(f"contrastive(margin={margin}): expected a number above 0")
    return Contrastive(margin, reduce).apply((x0, x1, y))[0]
