"""Elementwise maximum."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.extremum import Extremum


class Maximum(Extremum):
    """y = max(x1, x2); where they are equal, the gradient is x1's."""

    operation = "maximum"
    first_is_chosen = "greater_equal"


def maximum(x1: VariableLike, x2: VariableLike) -> Variable:
    """Compute the larger of two values, elementwise; the gradient of a tie flows to ``x1``.

    Args:
        x1: Any shape, floating.
        x2: A shape that broadcasts with ``x1``'s, the same dtype.

    Raises:
        InvalidType: Not floating, or of two dtypes.

    >>> maximum(np.asarray([1.0, 5.0]), np.asarray([3.0, 2.0])).array
    array([3., 5.])
    """
    return Maximum().apply((x1, x2))[0]
