"""Joining arrays along an axis."""

from __future__ import annotations

from collections.abc import Iterable

from kusari.autograd import Variable
from kusari.autograd.axes import integer
from kusari.autograd.variable import VariableLike
from kusari.functions.array.joining import Concat as Concat
from kusari.functions.array.sequences import inputs_of


def concat(xs: Iterable[VariableLike], axis: int = 1) -> Variable:
    """Join arrays along an axis.

    Args:
        xs: One array or more, of one dtype, and of one shape but for that axis.
        axis: Which.

    Raises:
        InvalidType: No input, different dtypes or shapes, or no such axis.
        TypeError: One array instead of a sequence, or ``axis`` is not an integer.

    >>> concat([np.zeros((2, 3)), np.ones((2, 1))]).array
    array([[0., 0., 0., 1.],
           [0., 0., 0., 1.]])
    """
    return Concat(integer("concat(): axis", axis)).apply(inputs_of("Concat", xs))[0]
