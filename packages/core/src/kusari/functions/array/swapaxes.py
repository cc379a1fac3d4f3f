"""Exchanging two axes."""

from __future__ import annotations

from kusari.autograd import Variable, as_variable
from kusari.autograd.axes import normal_axis
from kusari.autograd.shaping import Transpose
from kusari.autograd.variable import VariableLike


class Swapaxes(Transpose):
    """Two axes exchanged."""


def swapaxes(x: VariableLike, axis1: int, axis2: int) -> Variable:
    """Exchange two axes.

    Raises:
        InvalidType: ``x`` has no such axis.
        TypeError: An axis is not an integer.

    >>> swapaxes(np.zeros((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    x = as_variable(x)
    first, second = normal_axis("swapaxes", axis1, x.ndim), normal_axis("swapaxes", axis2, x.ndim)
    order = list(range(x.ndim))
    order[first], order[second] = second, first
    return Swapaxes(tuple(order)).apply((x,))[0]
