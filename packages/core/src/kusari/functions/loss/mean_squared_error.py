"""Mean squared error."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.loss.difference import Averaged
from kusari.functions.loss.squared_error import SquaredError


class MeanSquaredError(Averaged, SquaredError):
    """Σ (x0 − x1)² / n."""


def mean_squared_error(x0: VariableLike, x1: VariableLike) -> Variable:
    """Compute the mean of (x0 − x1)² over all elements.

    Args:
        x0: Any shape, floating.
        x1: The same shape and dtype.

    Returns:
        0-d, the same dtype; NaN for no elements.

    Raises:
        InvalidType: Not floating, or of two shapes or dtypes.

    >>> mean_squared_error(np.asarray([1.0, 5.0]), np.asarray([3.0, 4.0])).array
    array(2.5)
    """
    return MeanSquaredError().apply((x0, x1))[0]
