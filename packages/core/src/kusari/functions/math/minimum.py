"""Elementwise minimum."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.extremum import Extremum


class Minimum(Extremum):
    """y = min(x1, x2); where they are equal, the gradient is x1's."""

    operation = "minimum"
    first_is_chosen = "less_equal"


def minimum(x1: VariableLike, x2: VariableLike) -> Variable:
    """Compute the smaller of two values, elementwise; the gradient of a tie flows to ``x1``.

    Args:
        x1: Any shape, floating.
        x2: A shape that broadcasts with ``x1``'s, the same dtype.

    Raises:
        InvalidType: Not floating, or of two dtypes.

    >>> minimum(np.asarray([1.0, 5.0]), np.asarray([3.0, 2.0])).array
    array([1., 2.])
    """
    return Minimum().apply((x1, x2))[0]
