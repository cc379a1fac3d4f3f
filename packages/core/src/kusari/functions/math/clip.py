"""Clamping to a range."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.operands import keep_dtype
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import masked
from kusari.kernels import gradient as kernels


class Clip(FunctionNode):
    """y = min(max(x, lower), upper); dy/dx = 1 from lower to upper, both included, else 0."""

    def __init__(self, lower: float, upper: float) -> None:
        self.lower = lower
        self.upper = upper

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self.retain_inputs((0,))
        return (keep_dtype(self, kernels.clamp(self.backend, x, self.lower, self.upper), x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        x = self.get_retained_inputs()[0].array
        return (masked(grad_outputs[0], (x >= self.lower) & (x <= self.upper)),)


def clip(x: VariableLike, x_min: float | None, x_max: float | None) -> Variable:
    """Clamp values to a range, elementwise.

    y = min(max(x, x_min), x_max). The gradient is 1 within the range and on its ends.

    Args:
        x: Any shape, floating.
        x_min: The lower end, a number; None: there is none.
        x_max: The upper end, a number; None: there is none.

    Raises:
        ValueError: ``x_min`` is not below ``x_max``.
        InvalidType: ``x`` is not floating.

    >>> clip(np.asarray([-1.0, 0.5, 2.0]), 0.0, 1.0).array
    array([0. , 0.5, 1. ])
    """
    lower = -math.inf if x_min is None else float(x_min)
    upper = math.inf if x_max is None else float(x_max)
    if not lower < upper:
        raise ValueError(f"clip(x_min={x_min}, x_max={x_max}): expected x_min below x_max")
    return Clip(lower, upper).apply((x,))[0]
