"""Reversing axis 0."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.type_check import expect
from kusari.autograd.variable import VariableLike
from kusari.functions.array.flip import Flip


class FlipUD(Flip):
    """Axis 0 back to front."""

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types[0].ndim >= 1)


def flipud(a: VariableLike) -> Variable:
    """Reverse a matrix upside down: axis 0.

    Args:
        a: One axis or more.

    Raises:
        InvalidType: No axis.

    >>> flipud(np.asarray([1.0, 2.0, 3.0])).array
    array([3., 2., 1.])
    """
    return FlipUD(0).apply((a,))[0]
