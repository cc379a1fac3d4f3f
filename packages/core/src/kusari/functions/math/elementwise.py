"""What the elementwise functions share: one node class for y = f(x), and one for masks."""

from __future__ import annotations

from typing import Any, ClassVar

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.operands import keep_dtype
from kusari.autograd.type_check import expect_floating


class UnaryFunction(FunctionNode):
    """y = f(x), elementwise: a subclass names f and writes its derivative."""

    operation: ClassVar[str]
    """What f is called in the array module; or override `compute`."""
    reads_output: ClassVar[bool] = False
    """The derivative is read off y, not x."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def compute(self, x: Any) -> Any:
        """Return f(x)."""
        return getattr(self.backend.xp, self.operation)(x)

    def gradient(self, kept: Variable, gy: Variable) -> Variable:
        """Return gy f′, from x, or from y where ``reads_output``."""
        raise NotImplementedError(f"{type(self).__name__} defines no gradient()")

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        if self.reads_output:
            self.retain_outputs((0,))
        else:
            self.retain_inputs((0,))
        return (keep_dtype(self, self.compute(x), x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (kept,) = self.get_retained_outputs() if self.reads_output else self.get_retained_inputs()
        return (self.gradient(kept, grad_outputs[0]),)


class Masked(FunctionNode):
    """x where a mask holds, else 0: linear, and its own transpose. NaN and ∞ outside of the mask do not get through."""

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.backend.xp.where(self.mask, inputs[0], 0),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (masked(grad_outputs[0], self.mask),)


class MaskedOut(Masked):
    """x where a mask does not hold, else 0."""

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.backend.xp.where(self.mask, 0, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (masked_out(grad_outputs[0], self.mask),)


def masked(x: Variable, mask: Any) -> Variable:
    """Return x where ``mask``, an array of its shape, holds; else 0."""
    return Masked(mask).apply((x,))[0]


def masked_out(x: Variable, mask: Any) -> Variable:
    """Return x where ``mask``, an array of its shape, does not hold; else 0."""
    return MaskedOut(mask).apply((x,))[0]
