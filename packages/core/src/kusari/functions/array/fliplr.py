"""Reversing axis 1."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.type_check import expect
from kusari.autograd.variable import VariableLike
from kusari.functions.array.flip import Flip


class FlipLR(Flip):
    """Axis 1 back to front."""

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types[0].ndim >= 2)


def fliplr(a: VariableLike) -> Variable:
    """Reverse a matrix left to right: axis 1.

    Args:
        a: Two axes or more.

    Raises:
        InvalidType: Fewer axes.

    >>> fliplr(np.asarray([[1.0, 2.0, 3.0]])).array
    array([[3., 2., 1.]])
    """
    return FlipLR(1).apply((a,))[0]
