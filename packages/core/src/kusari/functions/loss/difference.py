"""What the errors between two arrays share: one node class, for f(x0 − x1)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.shaping import broadcast_to
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import constant
from kusari.configuration import current_state


class Difference(FunctionNode):
    """f(x0 − x1), elementwise: a subclass writes f and its derivative."""

    names: ClassVar[tuple[str, str]] = ("x0", "x1")
    difference: Any = None

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=self.names)
        x0, x1 = in_types
        expect(x0.dtype == x1.dtype)
        expect(x0.shape == x1.shape)

    def error(self, difference: Any) -> Any:
        """Return f of an array."""
        raise NotImplementedError(f"{type(self).__name__} defines no error()")

    def slope(self, difference: Variable) -> Variable:
        """Return f′ of a Variable, differentiable again."""
        raise NotImplementedError(f"{type(self).__name__} defines no slope()")

    def reduce(self, errors: Any) -> Any:
        """Return the output from f's values: by default, these."""
        return errors

    def spread(self, gy: Variable) -> Variable:
        """Return the gradient of f's values from that of the output: the transpose of `reduce`."""
        return gy

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1))
        difference = inputs[0] - inputs[1]
        if self.recording:
            self.difference = self.backend.as_array(difference, inputs[0])
        return (self.reduce(self.error(difference)),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        if current_state().enable_backprop:
            x0, x1 = self.get_retained_inputs()
            difference = x0 - x1
        else:
            difference = constant(self.difference, self.device)
        gradient = self.slope(difference) * self.spread(grad_outputs[0])
        return tuple([-gradient if index else gradient for index in indexes])


class Averaged(Difference):
    """The mean of f(x0 − x1) over all elements; NaN for none. To be mixed with a class that has f."""

    def reduce(self, errors: Any) -> Any:
        xp = self.backend.xp
        if errors.size == 0:
            return xp.full((), math.nan, dtype=errors.dtype, device=errors.device)
        return xp.mean(errors)

    def spread(self, gy: Variable) -> Variable:
        shape = self.inputs[0].shape
        return broadcast_to(gy * (1 / max(math.prod(shape), 1)), shape)
