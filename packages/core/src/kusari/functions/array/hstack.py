"""Joining arrays side by side."""

from __future__ import annotations

from collections.abc import Iterable

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.array.joining import Joining
from kusari.functions.array.sequences import inputs_of
from kusari.types import Shape


class Hstack(Joining):
    """Inputs behind each other along axis 1; vectors and numbers along axis 0."""

    def part_shape(self, shape: Shape) -> Shape:
        return shape or (1,)

    def joined_axis(self, ndim: int) -> int:
        return 1 if ndim > 1 else 0


def hstack(xs: Iterable[VariableLike]) -> Variable:
    """Join arrays side by side: along axis 1; vectors and numbers, along axis 0.

    Args:
        xs: One array or more, of one dtype, and of one shape but for that axis.

    Raises:
        InvalidType: No input, or different dtypes or shapes.
        TypeError: One array instead of a sequence.

    >>> hstack([np.zeros((2, 1)), np.ones((2, 2))]).array
    array([[0., 1., 1.],
           [0., 1., 1.]])
    """
    return Hstack().apply(inputs_of("Hstack", xs))[0]
