"""Hyperbolic sine and cosine."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction


class Cosh(UnaryFunction):
    """y = cosh x; dy/dx = sinh x."""

    label = operation = "cosh"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return sinh(kept) * gy


class Sinh(UnaryFunction):
    """y = sinh x; dy/dx = cosh x."""

    label = operation = "sinh"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return cosh(kept) * gy


def cosh(x: VariableLike) -> Variable:
    """Compute the hyperbolic cosine (eˣ + e⁻ˣ) / 2, elementwise; ``x`` floating.

    >>> cosh(np.asarray([0.0, 1.0])).array.round(4)
    array([1.    , 1.5431])
    """
    return Cosh().apply((x,))[0]


def sinh(x: VariableLike) -> Variable:
    """Compute the hyperbolic sine (eˣ − e⁻ˣ) / 2, elementwise; ``x`` floating.

    >>> sinh(np.asarray([0.0, 1.0])).array.round(4)
    array([0.    , 1.1752])
    """
    return Sinh().apply((x,))[0]
