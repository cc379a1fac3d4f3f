"""Square root and its reciprocal."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction


class Sqrt(UnaryFunction):
    """y = √x; dy/dx = 1 / (2y)."""

    label = operation = "sqrt"
    reads_output = True

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy / (kept * 2)


class Rsqrt(UnaryFunction):
    """y = 1 / √x; dy/dx = −y³ / 2."""

    label = "rsqrt"
    reads_output = True

    def compute(self, x: Any) -> Any:
        return 1 / self.backend.xp.sqrt(x)

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return kept * kept * kept * gy * -0.5


def sqrt(x: VariableLike) -> Variable:
    """Compute the square root, elementwise; ``x`` floating; NaN below 0, and an infinite gradient at 0.

    >>> sqrt(np.asarray([0.0, 9.0])).array
    array([0., 3.])
    """
    return Sqrt().apply((x,))[0]


def rsqrt(x: VariableLike) -> Variable:
    """Compute the reciprocal of the square root, elementwise; ``x`` floating.

    >>> rsqrt(np.asarray([0.25, 4.0])).array
    array([2. , 0.5])
    """
    return Rsqrt().apply((x,))[0]
