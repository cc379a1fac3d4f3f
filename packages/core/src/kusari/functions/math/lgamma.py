"""Logarithm of the gamma function."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.digamma import digamma
from kusari.functions.math.elementwise import UnaryFunction
from kusari.kernels import special as kernels


class LGamma(UnaryFunction):
    """y = ln |Γ(x)|; dy/dx = digamma x."""

    label = "lgamma"

    def compute(self, x: Any) -> Any:
        return kernels.lgamma(self.backend, x)

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * digamma(kept)


def lgamma(x: VariableLike) -> Variable:
    """Compute the logarithm of the absolute value of the gamma function, elementwise; ``x`` floating.

    y = ln |Γ(x)|.

    >>> lgamma(np.asarray([1.0, 5.0])).array.round(4)
    array([0.    , 3.1781])
    """
    return LGamma().apply((x,))[0]
