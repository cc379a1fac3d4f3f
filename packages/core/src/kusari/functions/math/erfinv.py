"""Inverse of the error function."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction
from kusari.functions.math.exponential import exp
from kusari.functions.math.square import square
from kusari.kernels import special as kernels


class ErfInv(UnaryFunction):
    """y = erfinv x; dy/dx = √π/2 e^(y²)."""

    label = "erfinv"
    reads_output = True

    def compute(self, x: Any) -> Any:
        return kernels.erfinv(self.backend, x)

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * exp(square(kept)) * (math.sqrt(math.pi) / 2)


def erfinv(x: VariableLike) -> Variable:
    """Compute the inverse of the error function, elementwise; ``x`` floating.

    erf(y) = x; ±∞ at ±1, NaN beyond.

    >>> erfinv(np.asarray([0.0, 0.5])).array.round(4)
    array([0.    , 0.4769])
    """
    return ErfInv().apply((x,))[0]
