"""Maxout: the largest of each group of units."""

from __future__ import annotations

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType
from kusari.functions.math.minmax import max as largest


def maxout(x: VariableLike, pool_size: int, axis: int = 1) -> Variable:
    """Take the largest of each group of neighbouring units.

    y[…, i, …] = max over k of x[…, i · pool_size + k, …].

    Args:
        x: Any shape with ``axis``, whose length is a multiple of ``pool_size``; floating.
        pool_size: How many units make a group.
        axis: Which axis holds the units.

    Returns:
        ``x``'s shape with ``axis`` shorter by the factor ``pool_size``, in its dtype.

    Raises:
        InvalidType: ``x`` is not floating, has no such axis, or one that groups do not fill.
        ValueError: ``pool_size`` is not positive.

    Source: Goodfellow, Warde-Farley, Mirza, Courville, Bengio, 2013, arXiv:1302.4389.

    >>> maxout(np.asarray([[1.0, 3.0, 2.0, -1.0]]), 2).array
    array([[3., 2.]])
    """
    if pool_size <= 0:
        raise ValueError(f"maxout(pool_size={pool_size}): expected a positive integer")
    x = as_variable(x)
    if not -x.ndim <= axis < x.ndim:
        raise InvalidType(f"x has axis {axis}", f"x.ndim is {x.ndim}")
    axis %= x.ndim
    length = x.shape[axis]
    if length % pool_size:
        raise InvalidType(f"x.shape[{axis}] is a multiple of pool_size={pool_size}", f"{length}")
    groups = x.reshape(*x.shape[:axis], length // pool_size, pool_size, *x.shape[axis + 1 :])
    return largest(groups, axis=axis + 1)
