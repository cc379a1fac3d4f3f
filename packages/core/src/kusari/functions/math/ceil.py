"""Ceiling."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.rounding import without_gradient


def ceil(x: VariableLike) -> Variable:
    """Round up to a whole number, elementwise; no gradient flows through.

    >>> ceil(np.asarray([-1.5, 1.2])).array
    array([-1.,  2.])
    """
    return without_gradient("ceil", x)
