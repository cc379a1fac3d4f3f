"""Inserting an axis."""

from __future__ import annotations

from kusari.autograd import Variable, as_variable
from kusari.autograd.axes import normal_axis
from kusari.autograd.shaping import Reshape
from kusari.autograd.variable import VariableLike


class ExpandDims(Reshape):
    """The same elements, with one more axis of length 1."""


def expand_dims(x: VariableLike, axis: int) -> Variable:
    """Insert an axis of length 1.

    Args:
        x: Any shape.
        axis: Where in the result it comes; negative numbers count from the result's end.

    Raises:
        InvalidType: The result has no such axis.
        TypeError: ``axis`` is not an integer.

    >>> expand_dims(np.zeros((2, 3)), 1).shape
    (2, 1, 3)
    """
    x = as_variable(x)
    place = normal_axis("expand_dims", axis, x.ndim + 1, of="result")
    return ExpandDims((*x.shape[:place], 1, *x.shape[place:])).apply((x,))[0]
