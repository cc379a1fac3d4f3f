"""ln(1 + x)."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction


class Log1p(UnaryFunction):
    """y = ln(1 + x); dy/dx = 1 / (1 + x)."""

    label = operation = "log1p"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy / (kept + 1)


def log1p(x: VariableLike) -> Variable:
    """Compute ln(1 + x), elementwise, with all digits near 0; ``x`` floating.

    >>> log1p(np.asarray([1e-10, 1.0])).array
    array([1.00000000e-10, 6.93147181e-01])
    """
    return Log1p().apply((x,))[0]
