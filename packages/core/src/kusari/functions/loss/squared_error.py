"""Squared error."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.loss.difference import Difference


class SquaredError(Difference):
    """(x0 − x1)²."""

    def error(self, difference: Any) -> Any:
        return difference * difference

    def slope(self, difference: Variable) -> Variable:
        return difference * 2


def squared_error(x0: VariableLike, x1: VariableLike) -> Variable:
    """Compute (x0 − x1)², elementwise.

    Args:
        x0: Any shape, floating.
        x1: The same shape and dtype.

    Returns:
        The same shape and dtype.

    Raises:
        InvalidType: Not floating, or of two shapes or dtypes.

    >>> squared_error(np.asarray([1.0, 5.0]), np.asarray([3.0, 4.0])).array
    array([4., 1.])
    """
    return SquaredError().apply((x0, x1))[0]


def squared_difference(x1: VariableLike, x2: VariableLike) -> Variable:
    """Compute (x1 − x2)², elementwise: another name of `squared_error`.

    >>> squared_difference(np.asarray([1.0, 5.0]), np.asarray([3.0, 4.0])).array
    array([4., 1.])
    """
    return squared_error(x1, x2)
