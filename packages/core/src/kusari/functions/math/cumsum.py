"""Running sum."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.shaping import reshape
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.math.scan import single_axis


class Cumsum(FunctionNode):
    """y[k] = Σ x[j] for j ≤ k along an axis; in reverse, for j ≥ k, which is also its derivative's way."""

    def __init__(self, axis: int, reverse: bool = False) -> None:
        self.axis = axis
        self.reverse = reverse

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,), xp = inputs, self.backend.xp
        if not self.reverse:
            return (xp.cumulative_sum(x, axis=self.axis, dtype=x.dtype),)
        flipped = xp.cumulative_sum(xp.flip(x, axis=self.axis), axis=self.axis, dtype=x.dtype)
        return (xp.flip(flipped, axis=self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Cumsum(self.axis, not self.reverse).apply(grad_outputs)[0],)


def cumsum(x: VariableLike, axis: int | None = None) -> Variable:
    """Return the running sum along an axis.

    Args:
        x: Any shape, floating.
        axis: Along which; None: over the flattened array.

    Returns:
        The shape of ``x``, or (size,) for None.

    Raises:
        InvalidType: ``x`` is not floating, or lacks the axis.
        TypeError: ``axis`` is neither None nor an int.

    >>> cumsum(np.asarray([[1.0, 2.0], [3.0, 4.0]]), axis=1).array
    array([[1., 3.],
           [3., 7.]])
    """
    x = as_variable(x)
    found = single_axis("cumsum", axis, x.ndim)
    if found is None:
        x, found = reshape(x, (x.size,)), 0
    return Cumsum(found).apply((x,))[0]
