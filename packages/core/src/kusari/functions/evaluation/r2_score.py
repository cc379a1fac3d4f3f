"""Coefficient of determination of a regression."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike


class R2_score(FunctionNode):  # noqa: N801 - the name that hooks show
    """R² = 1 − Σ (t − y)² / Σ (t − mean t)², over the first axis; not differentiable."""

    def __init__(self, multioutput: str) -> None:
        if multioutput not in ("uniform_average", "raw_values"):
            raise ValueError(f"r2_score(multioutput={multioutput!r}): expected 'uniform_average' or 'raw_values'")
        self.multioutput = multioutput

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("pred", "true"))
        pred, true = in_types
        expect(pred.shape == true.shape, pred.ndim >= 1)

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        pred, true = inputs
        xp = self.backend.xp
        true = xp.astype(true, pred.dtype)
        left_over = xp.sum((pred - true) ** 2, axis=0)
        total = xp.sum((true - xp.mean(true, axis=0)) ** 2, axis=0)
        score = xp.where(total != 0, 1 - left_over / xp.where(total != 0, total, 1), 0)
        return (xp.mean(score) if self.multioutput == "uniform_average" else score,)


def r2_score(
    pred: VariableLike, true: VariableLike, sample_weight: Any = None, multioutput: str = "uniform_average"
) -> Variable:
    """Compute the coefficient of determination of a regression; not differentiable.

    R² = 1 − Σ (t − y)² / Σ (t − mean t)², sums over the first axis; 0 where all t are equal.

    Args:
        pred: The predictions y, (N, …), floating.
        true: The targets t, of that shape.
        sample_weight: None: weights are not supported.
        multioutput: ``uniform_average``: the mean over the outputs; ``raw_values``: one R² per output.

    Returns:
        A 0-d Variable, or one of shape (…), in ``pred``'s dtype.

    Raises:
        InvalidType: Two shapes, or something that is not floating.
        NotImplementedError: A ``sample_weight``.
        ValueError: Another ``multioutput``.

    >>> r2_score(np.asarray([1.0, 2.0, 4.0]), np.asarray([1.0, 2.0, 3.0])).array
    array(0.5)
    """
    if sample_weight is not None:
        raise NotImplementedError("r2_score(sample_weight=...): weights are not supported; leave it None")
    return R2_score(multioutput).apply((pred, true))[0]
