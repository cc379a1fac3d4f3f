"""Gauss error function."""

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


class Erf(UnaryFunction):
    """y = erf x; dy/dx = 2/√π e^(−x²)."""

    label = "erf"

    def compute(self, x: Any) -> Any:
        return kernels.erf(self.backend, widened(self.backend, x))

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * exp(-square(kept)) * (2 / math.sqrt(math.pi))


def erf(x: VariableLike) -> Variable:
    """Compute the Gauss error function, elementwise; ``x`` floating.

    y = 2/√π ∫ e^(−t²) dt from 0 to x.

    >>> erf(np.asarray([0.0, 1.0])).array.round(4)
    array([0.    , 0.8427])
    """
    return Erf().apply((x,))[0]
