"""Pixels to channels: the inverse of `depth2space`."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.array.depth2space import Space2Depth as Space2Depth
from kusari.functions.array.depth2space import block_size


def space2depth(X: VariableLike, r: int) -> Variable:
    """Fold blocks of pixels into channels: the inverse of `depth2space`.

    y[n, (ri + j) C + c, h, w] = x[n, c, rh + i, rw + j].

    Args:
        X: (N, C, rH, rW), floating.
        r: The edge of a block.

    Returns:
        (N, r²C, H, W).

    Raises:
        InvalidType: Another rank or dtype, or a height or width that r does not divide.
        ValueError: ``r`` is below 1.

    Source: Shi et al., 2016, arXiv:1609.05158.

    >>> space2depth(np.arange(4.0).reshape(1, 1, 2, 2), 2).array.ravel()
    array([0., 1., 2., 3.])
    """
    return Space2Depth(block_size("space2depth", r)).apply((X,))[0]
