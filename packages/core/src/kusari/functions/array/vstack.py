"""Joining arrays on top of each other."""

from __future__ import annotations

from collections.abc import Iterable

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.array.joining import Joining
from kusari.functions.array.sequences import inputs_of
from kusari.types import Shape


class Vstack(Joining):
    """Inputs behind each other along axis 0; vectors and numbers as rows."""

    def part_shape(self, shape: Shape) -> Shape:
        return shape if len(shape) > 1 else (1, *(shape or (1,)))

    def joined_axis(self, ndim: int) -> int:
        return 0


def vstack(xs: Iterable[VariableLike]) -> Variable:
    """Join arrays on top of each other: along axis 0; vectors and numbers, as rows.

    Args:
        xs: One array or more, of one dtype, and of one shape but for that axis.

    Raises:
        InvalidType: No input, or different dtypes or shapes.
        TypeError: One array instead of a sequence.

    >>> vstack([np.zeros(2), np.ones(2)]).array
    array([[0., 0.],
           [1., 1.]])
    """
    return Vstack().apply(inputs_of("Vstack", xs))[0]
