"""Trigonometric functions and their inverses."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.operands import refuse_promotion
from kusari.autograd.shaping import sum_to
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.math.elementwise import UnaryFunction
from kusari.functions.math.square import square


class Sin(UnaryFunction):
    """y = sin x; dy/dx = cos x."""

    label = operation = "sin"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return cos(kept) * gy


class Cos(UnaryFunction):
    """y = cos x; dy/dx = −sin x."""

    label = operation = "cos"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return -sin(kept) * gy


class Tan(UnaryFunction):
    """y = tan x; dy/dx = 1 + y²."""

    label = operation = "tan"
    reads_output = True

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * (1 + square(kept))


class Arcsin(UnaryFunction):
    """y = arcsin x; dy/dx = 1 / √(1 − x²)."""

    label = "arcsin"
    operation = "asin"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy * (1 - square(kept)) ** -0.5


class Arccos(UnaryFunction):
    """y = arccos x; dy/dx = −1 / √(1 − x²)."""

    label = "arccos"
    operation = "acos"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return -gy * (1 - square(kept)) ** -0.5


class Arctan(UnaryFunction):
    """y = arctan x; dy/dx = 1 / (1 + x²)."""

    label = "arctan"
    operation = "atan"

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        return gy / (1 + square(kept))


class Arctan2(FunctionNode):
    """y = the angle of the point (x2, x1)."""

    label = "arctan2"

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x1", "x2"))

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        x1, x2 = inputs
        refuse_promotion(self, x1, x2)
        self.retain_inputs((0, 1))
        return (self.backend.xp.atan2(x1, x2),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (x1, x2), (gy,) = self.get_retained_inputs(), grad_outputs
        scaled = gy / (square(x1) + square(x2))
        return tuple([sum_to(-x1 * scaled if i else x2 * scaled, self.inputs[i].shape) for i in indexes])


def sin(x: VariableLike) -> Variable:
    """Compute the sine, elementwise; ``x`` in radians, floating.

    >>> sin(np.asarray([0.0, np.pi / 2])).array
    array([0., 1.])
    """
    return Sin().apply((x,))[0]


def cos(x: VariableLike) -> Variable:
    """Compute the cosine, elementwise; ``x`` in radians, floating.

    >>> cos(np.asarray([0.0, np.pi])).array
    array([ 1., -1.])
    """
    return Cos().apply((x,))[0]


def tan(x: VariableLike) -> Variable:
    """Compute the tangent, elementwise; ``x`` in radians, floating.

    >>> tan(np.asarray([0.0, np.pi / 4])).array.round(6)
    array([0., 1.])
    """
    return Tan().apply((x,))[0]


def arcsin(x: VariableLike) -> Variable:
    """Compute the angle in [−π/2, π/2] whose sine is ``x``; NaN outside of [−1, 1].

    >>> arcsin(np.asarray([0.0, 1.0])).array.round(4)
    array([0.    , 1.5708])
    """
    return Arcsin().apply((x,))[0]


def arccos(x: VariableLike) -> Variable:
    """Compute the angle in [0, π] whose cosine is ``x``; NaN outside of [−1, 1].

    >>> arccos(np.asarray([1.0, 0.0])).array.round(4)
    array([0.    , 1.5708])
    """
    return Arccos().apply((x,))[0]


def arctan(x: VariableLike) -> Variable:
    """Compute the angle in (−π/2, π/2) whose tangent is ``x``.

    >>> arctan(np.asarray([0.0, 1.0])).array.round(4)
    array([0.    , 0.7854])
    """
    return Arctan().apply((x,))[0]


def arctan2(x1: VariableLike, x2: VariableLike) -> Variable:
    """Compute the angle in [−π, π] of the point with ordinate ``x1`` and abscissa ``x2``.

    Args:
        x1: Any shape, floating.
        x2: A shape that broadcasts with ``x1``'s, the same dtype.

    Raises:
        InvalidType: Not floating, or of two dtypes.

    >>> arctan2(np.asarray([1.0, -1.0]), np.asarray([-1.0, 0.0])).array.round(4)
    array([ 2.3562, -1.5708])
    """
    return Arctan2().apply((x1, x2))[0]
