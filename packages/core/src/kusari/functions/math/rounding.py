"""What the rounding functions share: their derivative is zero, so that they make no graph."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.variable import VariableLike, constant


class Rounding(FunctionNode):
    """y = a function of the array module that is constant between its jumps."""

    def __init__(self, operation: str) -> None:
        self.operation = operation

    @property
    def label(self) -> str:
        """The function's name in the array module."""
        return self.operation

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (getattr(self.backend.xp, self.operation)(inputs[0]),)


def without_gradient(operation: str, x: VariableLike) -> Variable:
    """Return the array module's ``operation`` of x as a Variable that no gradient flows through."""
    x = as_variable(x)
    return Rounding(operation).apply((constant(x.array, x.device),))[0]
