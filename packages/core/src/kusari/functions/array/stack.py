"""Joining arrays along a new axis."""

from __future__ import annotations

from collections.abc import Iterable

from kusari.autograd import Variable
from kusari.autograd.axes import integer
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType
from kusari.functions.array.joining import Joining
from kusari.functions.array.sequences import inputs_of
from kusari.types import Shape


class Stack(Joining):
    """Inputs of one shape behind each other along an axis of their own."""

    def __init__(self, axis: int) -> None:
        self.requested = axis

    def part_shape(self, shape: Shape) -> Shape:
        axis = self.joined_axis(len(shape))
        return (*shape[:axis], 1, *shape[axis:])

    def joined_axis(self, ndim: int) -> int:
        if not -ndim - 1 <= self.requested <= ndim:
            raise InvalidType(f"-{ndim + 1} <= axis <= {ndim}, an axis of the result", f"axis = {self.requested}")
        return self.requested % (ndim + 1)


def stack(xs: Iterable[VariableLike], axis: int = 0) -> Variable:
    """Join arrays along a new axis.

    Args:
        xs: One array or more, of one shape and dtype.
        axis: Where in the result the new axis comes.

    Raises:
        InvalidType: No input, different dtypes or shapes, or no such axis.
        TypeError: One array instead of a sequence, or ``axis`` is not an integer.

    >>> stack([np.zeros(2), np.ones(2)], axis=1).array
    array([[0., 1.],
           [0., 1.]])
    """
    return Stack(integer("stack(): axis", axis)).apply(inputs_of("Stack", xs))[0]
