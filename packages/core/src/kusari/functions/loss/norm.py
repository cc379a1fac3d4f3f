"""Euclidean lengths with a derivative everywhere."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.variable import constant
from kusari.functions.math.elementwise import UnaryFunction, masked_out
from kusari.functions.math.square import square


def euclidean_norm(x: Variable, axis: int) -> Variable:
    """Return √(Σ x²) along an axis; at 0, where there is no derivative, the gradient is 0 rather than NaN."""
    return flat_root(sum_over(square(x), axis))


class FlatRoot(UnaryFunction):
    """y = √x; dy/dx = 1 / (2y), but 0 at 0."""

    operation = "sqrt"
    reads_output = True

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        zero = kept.array == 0
        ones = constant(self.backend.xp.astype(zero, kept.array.dtype), self.device)
        return masked_out(gy / ((kept + ones) * 2), zero)


def flat_root(x: Variable) -> Variable:
    """Return √x, whose gradient at 0 is 0."""
    return FlatRoot().apply((x,))[0]
