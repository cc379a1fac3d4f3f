"""Share of correct predictions."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.kernels import evaluation as kernels


class Accuracy(FunctionNode):
    """How often the highest score is the label's; not differentiable."""

    def __init__(self, ignore_label: int | None = None) -> None:
        self.ignore_label = ignore_label

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 2)
        y, t = in_types
        expect_floating((y,), names=("y",))
        expect(t.dtype.kind == "i", t.ndim <= y.ndim, t.shape[0] == y.shape[0])

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        y, t = inputs
        xp = self.backend.xp
        predicted = xp.reshape(xp.argmax(y, axis=1), t.shape)
        hits, counted = predicted == t, None
        if self.ignore_label is not None:
            counted = t != self.ignore_label
            hits = hits & counted
        rate = self.backend.as_array(kernels.hit_rate(self.backend, hits, counted), y)
        return (xp.astype(rate, y.dtype),)


def accuracy(y: VariableLike, t: VariableLike, ignore_label: int | None = None) -> Variable:
    """Compute the share of predictions that are right.

    Args:
        y: (N, C, …): scores.
        t: (N, …), integers.
        ignore_label: Labels that do not count; None: all do.

    Returns:
        A 0-d Variable in ``y``'s dtype; 0 where no label counts.

    Raises:
        InvalidType: Ranks, sizes or dtypes that do not fit.

    >>> accuracy(np.asarray([[0.1, 0.9], [0.8, 0.2]]), np.asarray([1, 1])).array
    array(0.5)
    """
    return Accuracy(ignore_label).apply((y, t))[0]
