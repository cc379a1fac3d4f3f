"""Inverse hyperbolic tangent."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction
from kusari.functions.math.square import square


class Arctanh(UnaryFunction):
    """y = artanh x; dy/dx = 1 / (1 − x²)."""

    operation = "atanh"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy / (1 - square(kept))


def arctanh(x: VariableLike) -> Variable:
    """Compute the inverse hyperbolic tangent ½ ln((1 + x) / (1 − x)), elementwise; ±∞ at ±1, NaN beyond.

    >>> arctanh(np.asarray([0.0, 0.5])).array.round(4)
    array([0.    , 0.5493])
    """
    return Arctanh().apply((x,))[0]
