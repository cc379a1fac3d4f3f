"""What maximum and minimum share."""

from __future__ import annotations

from typing import Any, ClassVar

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.operands import refuse_promotion
from kusari.autograd.shaping import sum_to
from kusari.autograd.type_check import expect_floating
from kusari.functions.math.elementwise import masked, masked_out


class Extremum(FunctionNode):
    """y = one of two values, elementwise; the gradient flows to the one that was chosen."""

    operation: ClassVar[str]
    """The array module's name of the function."""
    first_is_chosen: ClassVar[str]
    """The array module's name of the comparison that holds where x1 was chosen."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x1", "x2"))

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        refuse_promotion(self, *inputs)
        self.retain_inputs((0, 1))
        return (getattr(self.backend.xp, self.operation)(*inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (x1, x2), xp = self.get_retained_inputs(), self.backend.xp
        first = getattr(xp, self.first_is_chosen)(x1.array, x2.array)
        share = (masked, masked_out)
        return tuple([sum_to(share[i](grad_outputs[0], first), self.inputs[i].shape) for i in indexes])
