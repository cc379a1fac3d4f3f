"""Dropping axes of length 1."""

from __future__ import annotations

from kusari.autograd import Variable, as_variable
from kusari.autograd.axes import normal_axes
from kusari.autograd.shaping import Reshape
from kusari.autograd.variable import VariableLike


class Squeeze(Reshape):
    """The same elements, without axes of length 1."""


def squeeze(x: VariableLike, axis: int | tuple[int, ...] | None = None) -> Variable:
    """Drop axes of length 1.

    Args:
        x: Any shape.
        axis: One axis or several; None: all of length 1.

    Raises:
        InvalidType: ``x`` has no such axis.
        ValueError: An axis whose length is not 1, or one named twice.
        TypeError: ``axis`` is neither an integer nor a tuple of integers.

    >>> squeeze(np.zeros((1, 2, 1, 3)), axis=0).shape
    (2, 1, 3)
    """
    x = as_variable(x)
    if axis is None:
        dropped = tuple(place for place, length in enumerate(x.shape) if length == 1)
    else:
        dropped = normal_axes("squeeze", axis, x.ndim)
    for place in dropped:
        if x.shape[place] != 1:
            raise ValueError(f"squeeze(axis={axis}): axis {place} of shape {x.shape} has not length 1")
    return Squeeze(tuple(length for place, length in enumerate(x.shape) if place not in dropped)).apply((x,))[0]
