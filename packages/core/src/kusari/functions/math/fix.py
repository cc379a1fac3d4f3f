"""Rounding towards zero."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.rounding import without_gradient


def fix(x: VariableLike) -> Variable:
    """Round towards zero to a whole number, elementwise; no gradient flows through.

    >>> fix(np.asarray([-1.5, 1.2])).array
    array([-1.,  1.])
    """
    return without_gradient("trunc", x)
