"""Complementary error function."""

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


class Erfc(UnaryFunction):
    """y = erfc x; dy/dx = −2/√π e^(−x²)."""

    label = "erfc"

    def compute(self, x: Any) -> Any:
        return kernels.erfc(self.backend, widened(self.backend, x))

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * exp(-square(kept)) * (-2 / math.sqrt(math.pi))


def erfc(x: VariableLike) -> Variable:
    """Compute the complementary error function, elementwise; ``x`` floating.

    y = 1 − erf(x), with all digits where erf is near 1.

    >>> erfc(np.asarray([0.0, 1.0])).array.round(4)
    array([1.    , 0.1573])
    """
    return Erfc().apply((x,))[0]
