"""Joining arrays behind each other."""

from __future__ import annotations

from collections.abc import Iterable

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.array.joining import Joining
from kusari.functions.array.sequences import inputs_of
from kusari.types import Shape


class Dstack(Joining):
    """Inputs behind each other along axis 2; vectors as (1, N, 1), matrices as (M, N, 1)."""

    def part_shape(self, shape: Shape) -> Shape:
        if len(shape) > 2:
            return shape
        return (*shape, 1) if len(shape) == 2 else (1, *(shape or (1,)), 1)

    def joined_axis(self, ndim: int) -> int:
        return 2


def dstack(xs: Iterable[VariableLike]) -> Variable:
    """Join arrays behind each other: along axis 2; vectors as (1, N, 1), matrices as (M, N, 1).

    Args:
        xs: One array or more, of one dtype, and of one shape but for that axis.

    Raises:
        InvalidType: No input, or different dtypes or shapes.
        TypeError: One array instead of a sequence.

    >>> dstack([np.zeros(2), np.ones(2)]).array
    array([[[0., 1.],
            [0., 1.]]])
    """
    return Dstack().apply(inputs_of("Dstack", xs))[0]
