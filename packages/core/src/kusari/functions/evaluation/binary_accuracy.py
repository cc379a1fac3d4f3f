"""Share of correct yes-or-no predictions."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.kernels import evaluation as kernels


class BinaryAccuracy(FunctionNode):
    """How often a score's sign is the label's; not differentiable."""

    ignore_label = -1

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 2)
        y, t = in_types
        expect_floating((y,), names=("y",))
        expect(t.dtype.kind == "i", t.shape == y.shape)

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        y, t = inputs
        xp, counted = self.backend.xp, t != self.ignore_label
        hits = t == xp.astype(y >= 0, t.dtype)
        rate = self.backend.as_array(kernels.hit_rate(self.backend, hits, counted), y)
        return (xp.astype(rate, y.dtype),)


def binary_accuracy(y: VariableLike, t: VariableLike) -> Variable:
    """Compute the share of yes-or-no predictions that are right; not differentiable.

    A score of 0 or more predicts 1, a negative one 0.

    Args:
        y: Scores, any shape, floating.
        t: Labels, integers of that shape: 0, 1, or −1 for one that does not count.

    Returns:
        A 0-d Variable in ``y``'s dtype; 0 where no label counts.

    Raises:
        InvalidType: Shapes or dtypes that do not fit.

    >>> round(binary_accuracy(np.asarray([-2.0, 3.0, 0.5, -1.0]), np.asarray([0, 1, 0, -1])).item(), 4)
    0.6667
    """
    return BinaryAccuracy().apply((y, t))[0]
