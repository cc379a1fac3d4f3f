"""Exponential and logarithms."""

from __future__ import annotations

import math

from kusari.autograd import Variable
from kusari.autograd.powers import Log as Log
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction


class Exp(UnaryFunction):
    """y = eˣ; dy/dx = y."""

    label = operation = "exp"
    reads_output = True

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return kept * gy


class Log2(UnaryFunction):
    """y = log₂ x; dy/dx = 1 / (x ln 2)."""

    label = operation = "log2"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy / kept * (1 / math.log(2))


class Log10(UnaryFunction):
    """y = log₁₀ x; dy/dx = 1 / (x ln 10)."""

    label = operation = "log10"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy / kept * (1 / math.log(10))


def exp(x: VariableLike) -> Variable:
    """Compute eˣ, elementwise; ``x`` floating.

    >>> exp(np.asarray([0.0, 1.0])).array.round(4)
    array([1.    , 2.7183])
    """
    return Exp().apply((x,))[0]


def log(x: VariableLike) -> Variable:
    """Compute the natural logarithm, elementwise; ``x`` floating; −∞ at 0, NaN below.

    >>> log(np.asarray([1.0, 10.0])).array.round(4)
    array([0.    , 2.3026])
    """
    return Log().apply((x,))[0]


def log2(x: VariableLike) -> Variable:
    """Compute the logarithm to base 2, elementwise; ``x`` floating.

    >>> log2(np.asarray([1.0, 8.0])).array
    array([0., 3.])
    """
    return Log2().apply((x,))[0]


def log10(x: VariableLike) -> Variable:
    """Compute the logarithm to base 10, elementwise; ``x`` floating.

    >>> log10(np.asarray([1.0, 100.0])).array
    array([0., 2.])
    """
    return Log10().apply((x,))[0]
