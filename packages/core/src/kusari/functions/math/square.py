"""Square."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction


class Square(UnaryFunction):
    """y = x²; dy/dx = 2x."""

    label = operation = "square"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return kept * gy * 2


def square(x: VariableLike) -> Variable:
    """Compute x², elementwise; ``x`` floating.

    >>> square(np.asarray([-3.0, 2.0])).array
    array([9., 4.])
    """
    return Square().apply((x,))[0]
