"""Euclidean lengths with a derivative everywhere."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.variable import constant
from kusari.functions.math.elementwise import masked
from kusari.functions.math.sqrt import sqrt


def euclidean_norm(x: Variable, axis: int) -> Variable:
    """Return √(Σ x²) along an axis; at 0, where there is no derivative, the gradient is 0 rather than NaN."""
    xp, square = x.xp, sum_over(x * x, axis)
    zero = square.array == 0
    return masked(sqrt(square + constant(xp.astype(zero, square.array.dtype), x.device)), ~zero)
