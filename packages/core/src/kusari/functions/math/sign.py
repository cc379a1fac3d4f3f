"""Sign."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.rounding import without_gradient


def sign(x: VariableLike) -> Variable:
    """Compute the sign, −1, 0 or 1, elementwise; no gradient flows through.

    >>> sign(np.asarray([-1.5, 0.0, 2.0])).array
    array([-1.,  0.,  1.])
    """
    return without_gradient("sign", x)
