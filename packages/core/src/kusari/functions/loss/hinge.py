"""Hinge loss."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import current_state
from kusari.functions.activation.relu import relu
from kusari.functions.loss.composed import ComposedLoss
from kusari.functions.loss.labels import refuse_out_of_range
from kusari.functions.loss.reduction import check_reduce


class Hinge(ComposedLoss):
    """max(0, 1 − x) for the label's class, max(0, 1 + x) for each other; squared for L2."""

    def __init__(self, norm: str, reduce: str) -> None:
        self.norm = norm
        self.reduce = reduce

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 2)
        x, t = in_types
        expect_floating((x,), names=("x",))
        expect(t.dtype.kind == "i")
        expect(x.ndim == 2, t.ndim == 1)
        expect(x.shape[0] == t.shape[0])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the loss by plain functions."""
        (x, t), xp = inputs, self.backend.xp
        if current_state().debug:
            refuse_out_of_range("hinge(): labels", self.backend, t.array, x.shape[1])
        classes = xp.arange(x.shape[1], dtype=t.array.dtype, device=self.device.native)
        own = classes == xp.expand_dims(t.array, axis=1)
        one = xp.ones((), dtype=x.array.dtype, device=self.device.native)
        loss = relu(1 + x * constant(xp.where(own, -one, one), self.device))
        if self.norm == "L2":
            loss = loss * loss
        return (loss if self.reduce == "no" else sum_over(loss) * (1 / max(x.shape[0], 1)),)


def hinge(x: VariableLike, t: VariableLike, norm: str = "L1", reduce: str = "mean") -> Variable:
    """Compute the hinge loss of classes, each against all others.

    max(0, 1 − δ xₙₖ)ᵖ, with δ = 1 for k = tₙ and −1 else, and p = 1 for L1, 2 for L2.

    Args:
        x: (N, K), floating: scores.
        t: (N,), integers from 0 to K − 1.
        norm: ``L1`` or ``L2``.
        reduce: ``mean``: the sum over classes, averaged over N; or ``no``.

    Returns:
        0-d, or (N, K) for ``reduce="no"``.

    Raises:
        NotImplementedError: Another ``norm``.
        ValueError: Another ``reduce``; in debug mode, a label out of range.
        InvalidType: Ranks, lengths or dtypes that do not fit.

    >>> hinge(np.asarray([[0.5, -2.0, 1.0]]), np.asarray([0]), reduce="no").array
    array([[0.5, 0. , 2. ]])
    """
    if norm not in ("L1", "L2"):
        raise NotImplementedError(f"hinge(norm={norm!r}): expected 'L1' or 'L2'")
    check_reduce("hinge", reduce, ("mean", "no"))
    return Hinge(norm, reduce).apply((x, t))[0]
