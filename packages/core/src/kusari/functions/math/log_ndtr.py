"""Logarithm of the cumulative distribution of the standard normal."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.clip import clip
from kusari.functions.math.elementwise import UnaryFunction
from kusari.functions.math.erfcx import erfcx
from kusari.functions.math.wide import widened
from kusari.kernels import error_function as kernels


class LogNdtr(UnaryFunction):
    """y = ln ndtr x; dy/dx = √(2/π) / erfcx(−x/√2)."""

    label = "log_ndtr"

    def compute(self, x: Any) -> Any:
        return kernels.log_ndtr(self.backend, widened(self.backend, x))

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        # Beyond x = 12.7 (4.2 in 16 bits) the derivative stays at 3e-36 (5e-5), where erfcx would go on to overflow.
        lowest = -9 if kept.dtype.itemsize > 2 else -3
        return gy * math.sqrt(2 / math.pi) / erfcx(clip(kept * -math.sqrt(0.5), lowest, None))


def log_ndtr(x: VariableLike) -> Variable:
    """Compute the logarithm of the standard normal distribution's cumulative distribution, elementwise.

    ``x`` floating; all digits where ndtr itself underflows.

    >>> log_ndtr(np.asarray([0.0, -2.0])).array.round(4)
    array([-0.6931, -3.7832])
    """
    return LogNdtr().apply((x,))[0]
