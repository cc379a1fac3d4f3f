"""Digamma function."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction
from kusari.functions.math.polygamma import polygamma
from kusari.kernels import special as kernels


class DiGamma(UnaryFunction):
    """y = Γ′(x) / Γ(x); dy/dx = polygamma(1, x)."""

    label = "digamma"

    def compute(self, x: Any) -> Any:
        return kernels.digamma(self.backend, x)

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * polygamma(1, kept)


def digamma(x: VariableLike) -> Variable:
    """Compute the derivative of the logarithm of the gamma function, elementwise; ``x`` floating.

    y = Γ′(x) / Γ(x).

    >>> digamma(np.asarray([1.0, 2.0])).array.round(4)
    array([-0.5772,  0.4228])
    """
    return DiGamma().apply((x,))[0]
