"""Floor."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.rounding import without_gradient


def floor(x: VariableLike) -> Variable:
    """Round down to a whole number, elementwise; no gradient flows through.

    >>> floor(np.asarray([-1.5, 1.2])).array
    array([-2.,  1.])
    """
    return without_gradient("floor", x)
