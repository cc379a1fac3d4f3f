"""Scaled complementary error function."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction
from kusari.functions.math.wide import widened
from kusari.kernels import error_function as kernels


class Erfcx(UnaryFunction):
    """y = erfcx x; dy/dx = 2xy − 2/√π."""

    label = "erfcx"

    def compute(self, x: Any) -> Any:
        return kernels.erfcx(self.backend, widened(self.backend, x))

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * (2 * kept * erfcx(kept) - 2 / math.sqrt(math.pi))


def erfcx(x: VariableLike) -> Variable:
    """Compute the scaled complementary error function, elementwise; ``x`` floating.

    y = e^(x²) erfc(x), which is near 1/(x√π) where erfc itself underflows.

    >>> erfcx(np.asarray([0.0, 1.0])).array.round(4)
    array([1.    , 0.4276])
    """
    return Erfcx().apply((x,))[0]
