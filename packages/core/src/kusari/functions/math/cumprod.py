"""Running product."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.shaping import reshape
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.math.scan import linear_recurrence, shift, single_axis


class Cumprod(FunctionNode):
    """y[k] = Π x[j] for j ≤ k along an axis; in reverse, for j ≥ k.

    gx[k] = y[k − 1] s[k], where s[k] = gy[k] + x[k + 1] s[k + 1]: nothing is divided, so that zeros are no exception.
    """

    def __init__(self, axis: int, reverse: bool = False) -> None:
        self.axis = axis
        self.reverse = reverse

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,), xp = inputs, self.backend.xp
        self.retain_inputs((0,))
        self.retain_outputs((0,))
        if not self.reverse:
            return (xp.cumulative_prod(x, axis=self.axis, dtype=x.dtype),)
        flipped = xp.cumulative_prod(xp.flip(x, axis=self.axis), axis=self.axis, dtype=x.dtype)
        return (xp.flip(flipped, axis=self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,), (y,) = self.get_retained_inputs(), self.get_retained_outputs()
        before = shift(y, self.axis, self.reverse, fill=1)
        factors = shift(x, self.axis, not self.reverse, fill=0)
        return (before * linear_recurrence(factors, grad_outputs[0], self.axis, not self.reverse),)


def running_product(x: Variable, axis: int, reverse: bool = False) -> Variable:
    """Return the product of the elements up to each one along an axis; with ``reverse``, from each one on."""
    return Cumprod(axis, reverse).apply((x,))[0]


def cumprod(x: VariableLike, axis: int | None = None) -> Variable:
    """Return the running product along an axis.

    Args:
        x: Any shape, floating.
        axis: Along which; None: over the flattened array.

    Returns:
        The shape of ``x``, or (size,) for None.

    Raises:
        InvalidType: ``x`` is not floating, or lacks the axis.
        TypeError: ``axis`` is neither None nor an int.

    >>> cumprod(np.asarray([[1.0, 2.0], [3.0, 4.0]]), axis=1).array
    array([[ 1.,  2.],
           [ 3., 12.]])
    """
    x = as_variable(x)
    found = single_axis("cumprod", axis, x.ndim)
    if found is None:
        x, found = reshape(x, (x.size,)), 0
    return running_product(x, found)
