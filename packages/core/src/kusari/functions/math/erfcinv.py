"""Inverse of the complementary error function."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction
from kusari.functions.math.exponential import exp
from kusari.functions.math.square import square
from kusari.kernels import special as kernels


class ErfcInv(UnaryFunction):
    """y = erfcinv x; dy/dx = −√π/2 e^(y²)."""

    label = "erfcinv"
    reads_output = True

    def compute(self, x: Any) -> Any:
        return kernels.erfcinv(self.backend, x)

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * exp(square(kept)) * (-math.sqrt(math.pi) / 2)


def erfcinv(x: VariableLike) -> Variable:
    """Compute the inverse of the complementary error function, elementwise; ``x`` floating.

    erfc(y) = x; ∞ at 0, −∞ at 2, NaN beyond.

    >>> erfcinv(np.asarray([0.5, 1.5])).array.round(4)
    array([ 0.4769, -0.4769])
    """
    return ErfcInv().apply((x,))[0]
