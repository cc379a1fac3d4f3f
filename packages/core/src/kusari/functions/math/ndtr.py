"""Cumulative distribution of the standard normal."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction
from kusari.functions.math.exponential import exp
from kusari.functions.math.square import square
from kusari.functions.math.wide import widened
from kusari.kernels import error_function as kernels


class Ndtr(UnaryFunction):
    """y = ndtr x; dy/dx = e^(−x²/2) / √2π."""

    label = "ndtr"

    def compute(self, x: Any) -> Any:
        return kernels.ndtr(self.backend, widened(self.backend, x))

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * exp(square(kept) * -0.5) * (1 / math.sqrt(2 * math.pi))


def ndtr(x: VariableLike) -> Variable:
    """Compute the standard normal distribution's cumulative distribution, elementwise; ``x`` floating.

    y = (1 + erf(x/√2)) / 2.

    >>> ndtr(np.asarray([0.0, 1.0])).array.round(4)
    array([0.5   , 0.8413])
    """
    return Ndtr().apply((x,))[0]
