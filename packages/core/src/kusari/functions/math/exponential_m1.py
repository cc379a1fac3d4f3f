"""eˣ − 1."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction


class Expm1(UnaryFunction):
    """y = eˣ − 1; dy/dx = y + 1."""

    label = operation = "expm1"
    reads_output = True

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return (kept + 1) * gy


def expm1(x: VariableLike) -> Variable:
    """Compute eˣ − 1, elementwise, with all digits near 0; ``x`` floating.

    >>> expm1(np.asarray([1e-10, 1.0])).array
    array([1.00000000e-10, 1.71828183e+00])
    """
    return Expm1().apply((x,))[0]
