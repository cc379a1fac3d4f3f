"""Copying a Variable to another device, differentiably."""

from __future__ import annotations

from typing import Any

from kusari.autograd.function_node import FunctionNode
from kusari.autograd.variable import Variable, VariableLike, as_variable, constant
from kusari.backend import Device, get_device
from kusari.backend.selection import DeviceLike
from kusari.configuration import current_state


class Copy(FunctionNode):
    """y = x, on another device; the gradient comes back to x's."""

    def __init__(self, target: Device) -> None:
        self.target = target

    def apply(self, inputs: tuple[VariableLike, ...]) -> tuple[Variable, ...]:
        """Run forward; unlike other functions', the output is not where the input is."""
        x = as_variable(inputs[0])
        state = current_state()
        self.source, self.device, self.backend = x.device, self.target, self.target.backend
        outputs = self._forward_observed((x.array,), state)
        if x.requires_grad and state.enable_backprop:
            return self._record((x,), outputs, self.target)
        return (constant(outputs[0], self.target),)

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        return (self.target.send(inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Copy(self.source).apply(grad_outputs)[0],)


def copy(x: VariableLike, dst: DeviceLike) -> Variable:
    """Return x on another device; the same array where it lives there already.

    Args:
        x: Any shape and dtype.
        dst: A device, or what names one.

    >>> copy(np.ones(2), "numpy").device
    <device numpy>
    """
    return Copy(get_device(dst)).apply((x,))[0]
