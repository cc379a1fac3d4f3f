"""Quantiles of the standard normal distribution."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction
from kusari.functions.math.exponential import exp
from kusari.functions.math.square import square
from kusari.kernels import special as kernels


class Ndtri(UnaryFunction):
    """y = ndtri x; dy/dx = √2π e^(y²/2)."""

    label = "ndtri"
    reads_output = True

    def compute(self, x: Any) -> Any:
        return kernels.ndtri(self.backend, x)

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * exp(square(kept) * 0.5) * math.sqrt(2 * math.pi)


def ndtri(x: VariableLike) -> Variable:
    """Compute the standard normal distribution's quantiles, elementwise; ``x`` floating.

    ndtr(y) = x; −∞ at 0, ∞ at 1, NaN beyond.

    >>> ndtri(np.asarray([0.5, 0.9])).array.round(4)
    array([0.    , 1.2816])
    """
    return Ndtri().apply((x,))[0]
