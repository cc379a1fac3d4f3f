"""Weighted mean over axes."""

from __future__ import annotations

from typing import Any

from kusari.autograd.axes import reduced_axes
from kusari.autograd.operands import operand
from kusari.autograd.shaping import broadcast_to, reshape
from kusari.autograd.shaping import mean as plain_mean
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.variable import Variable, VariableLike, as_variable
from kusari.errors import InvalidType


def average(
    x: VariableLike, axis: int | tuple[int, ...] | None = None, weights: Any = None, keepdims: bool = False
) -> Variable:
    """Return the mean over axes, weighted or not.

    y = Σ w x / Σ w.

    Args:
        x: Any shape, floating.
        axis: One axis, or without weights several; None: all.
        weights: (x.shape[axis],), or x's shape for ``axis=None``, differentiable; None: all equal.
        keepdims: Leave the reduced axes, with length 1.

    Raises:
        InvalidType: ``x`` is not floating, or lacks an axis, or the weights have another shape or dtype.
        ValueError: An axis twice, or several axes and weights.
        TypeError: ``axis`` is neither None nor an int nor a tuple of ints.

    >>> average(np.asarray([[1.0, 2.0], [3.0, 5.0]]), axis=1, weights=np.asarray([3.0, 1.0])).array
    array([1.25, 3.5 ])
    """
    x = as_variable(x)
    if weights is None:
        return plain_mean(x, axis, keepdims)
    axes = reduced_axes("average", axis, x.ndim)
    if axis is not None and len(axes) != 1:
        raise ValueError(f"average(axis={axis}): weights go with one axis, or with None")
    weights = operand(x, weights)
    expected = x.shape if axis is None else (x.shape[axes[0]],)
    if weights.shape != expected:
        raise InvalidType(f"weights of shape {expected}", f"{weights.shape}")
    total = sum_over(weights)
    if axis is not None:
        weights = reshape(weights, tuple(-1 if one == axes[0] else 1 for one in range(x.ndim)))
    y = sum_over(x * broadcast_to(weights, x.shape), axis, keepdims)
    return y / total


def mean(
    x: VariableLike, axis: int | tuple[int, ...] | None = None, *, weights: Any = None, keepdims: bool = False
) -> Variable:
    """Return the mean over axes, weighted or not: `average`, as Variable's method."""
    return average(x, axis, weights, keepdims)
