"""Collapsing to one axis."""

from __future__ import annotations

from kusari.autograd import Variable, as_variable
from kusari.autograd.shaping import reshape
from kusari.autograd.variable import VariableLike


def flatten(x: VariableLike) -> Variable:
    """Return all elements along one axis, in row-major order.

    >>> flatten(np.asarray([[1.0, 2.0], [3.0, 4.0]])).array
    array([1., 2., 3., 4.])
    """
    x = as_variable(x)
    return reshape(x, (x.size,))
