"""Triplet loss."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.relu import relu
from kusari.functions.loss.composed import ComposedLoss
from kusari.functions.loss.reduction import check_reduce
from kusari.functions.math.square import square


class Triplet(ComposedLoss):
    """max(‖a − p‖² − ‖a − n‖² + margin, 0)."""

    def __init__(self, margin: float, reduce: str) -> None:
        self.margin = margin
        self.reduce = reduce

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("anchor", "positive", "negative"))
        anchor, positive, negative = in_types
        expect(anchor.ndim >= 2)
        expect(anchor.shape == positive.shape, anchor.shape == negative.shape)
        expect(anchor.dtype == positive.dtype, anchor.dtype == negative.dtype)

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the loss by plain functions."""
        anchor, positive, negative = inputs
        near, far = anchor - positive, anchor - negative
        gap = sum_over(square(near) - square(far), axis=1)
        loss = relu(gap + self.margin)
        return (loss if self.reduce == "no" else sum_over(loss) * (1 / max(anchor.shape[0], 1)),)


def triplet(
    anchor: VariableLike, positive: VariableLike, negative: VariableLike, margin: float = 0.2, reduce: str = "mean"
) -> Variable:
    """Compute the triplet loss: an anchor should be nearer to the positive than to the negative, by a margin.

    max(‖aₙ − pₙ‖² − ‖aₙ − nₙ‖² + margin, 0).

    Args:
        anchor: (N, K, …), floating; the norm is over the second axis.
        positive: The same shape and dtype: of the anchor's class.
        negative: The same shape and dtype: of another.
        margin: Above 0.
        reduce: ``mean``: the sum divided by N; or ``no`` for one loss per triplet.

    Returns:
        0-d, or (N, …) for ``reduce="no"``.

    Raises:
        ValueError: Another ``reduce``, or a margin not above 0.
        InvalidType: Shapes or dtypes that differ, not floating, or without a second axis.

    Source: Wang et al., 2014, Learning fine-grained image similarity with deep ranking, arXiv:1404.4661.

    >>> anchor, positive, negative = np.asarray([[0.0, 0.0]]), np.asarray([[1.0, 0.0]]), np.asarray([[0.0, 0.5]])
    >>> triplet(anchor, positive, negative).item()
    0.95
    """
    check_reduce("triplet", reduce, ("mean", "no"))
    if margin <= 0:
        raise ValueError(f"triplet(margin={margin}): expected a number above 0")
    return Triplet(margin, reduce).apply((anchor, positive, negative))[0]
