"""Remainder of a division, with the sign of the dividend."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.operands import refuse_promotion
from kusari.autograd.shaping import sum_to
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.kernels import elementwise as kernels


class Fmod(FunctionNode):
    """y = x − n·divisor, where n is x / divisor rounded towards zero; dy/d divisor = −n."""

    label = "fmod"

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x", "divisor"))

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        x, divisor = inputs
        refuse_promotion(self, x, divisor)
        self.retain_inputs((0, 1))
        return (kernels.fmod(self.backend, x, divisor),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (x, divisor), (gy,) = self.get_retained_inputs(), grad_outputs
        made = []
        for index in indexes:
            gradient = gy
            if index:
                quotient = constant(kernels.fmod_quotient(self.backend, x.array, divisor.array), self.device)
                gradient = -gy * quotient
            made.append(sum_to(gradient, self.inputs[index].shape))
        return tuple(made)


def fmod(x: VariableLike, divisor: VariableLike) -> Variable:
    """Compute the remainder of x / divisor, elementwise, with the sign of ``x``, as C's fmod does.

    Args:
        x: Any shape, floating.
        divisor: A shape that broadcasts with ``x``'s, the same dtype.

    Raises:
        InvalidType: Not floating, or of two dtypes.

    >>> fmod(np.asarray([5.5, -5.5]), np.asarray([2.0, 2.0])).array
    array([ 1.5, -1.5])
    """
    return Fmod().apply((x, divisor))[0]
