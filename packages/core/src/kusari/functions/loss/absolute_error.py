"""Absolute error."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike, constant
from kusari.functions.loss.difference import Difference


class AbsoluteError(Difference):
    """|x0 − x1|; the derivative at 0 is 0."""

    def error(self, difference: Any) -> Any:
        return abs(difference)

    def slope(self, difference: Variable) -> Variable:
        return constant(difference.xp.sign(difference.array), difference.device)


def absolute_error(x0: VariableLike, x1: VariableLike) -> Variable:
    """Compute |x0 − x1|, elementwise.

    Args:
        x0: Any shape, floating.
        x1: The same shape and dtype.

    Returns:
        The same shape and dtype. Where the two are equal, the gradient is 0.

    Raises:
        InvalidType: Not floating, or of two shapes or dtypes.

    >>> absolute_error(np.asarray([1.0, 5.0]), np.asarray([3.0, 4.0])).array
    array([2., 1.])
    """
    return AbsoluteError().apply((x0, x1))[0]
