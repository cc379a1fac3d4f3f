"""Mean absolute error."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.loss.absolute_error import AbsoluteError
from kusari.functions.loss.difference import Averaged


class MeanAbsoluteError(Averaged, AbsoluteError):
    """Σ |x0 − x1| / n."""


def mean_absolute_error(x0: VariableLike, x1: VariableLike) -> Variable:
    """Compute the mean of |x0 − x1| over all elements.

    Args:
        x0: Any shape, floating.
        x1: The same shape and dtype.

    Returns:
        0-d, the same dtype; NaN for no elements.

    Raises:
        InvalidType: Not floating, or of two shapes or dtypes.

    >>> mean_absolute_error(np.asarray([1.0, 5.0]), np.asarray([3.0, 4.0])).array
    array(1.5)
    """
    return MeanAbsoluteError().apply((x0, x1))[0]
