"""Hurwitz zeta function."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.operands import keep_dtype, operand
from kusari.autograd.shaping import sum_to
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.kernels import special as kernels


class Zeta(FunctionNode):
    """y = Σ (k + q)⁻ˣ; dy/dq = −x zeta(x + 1, q), and x has no gradient."""

    label = "zeta"

    def __init__(self, x: Any) -> None:
        self.x = x

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("q",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (q,) = inputs
        self.retain_inputs((0,))
        return (keep_dtype(self, kernels.zeta(self.backend, self.x, q), q),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (q,) = self.get_retained_inputs()
        slope = Zeta(self.x + 1).apply((q,))[0] * constant(-self.x, self.device)
        return (sum_to(grad_outputs[0] * slope, q.shape),)


def zeta(x: VariableLike, q: VariableLike) -> Variable:
    """Compute the Hurwitz zeta function, elementwise.

    y = Σ (k + q)⁻ˣ for k = 0, 1, …

    Args:
        x: A number, or an array of a shape that broadcasts with ``q``'s, above 1; no gradient.
        q: Any shape, floating, above 0.

    Raises:
        InvalidType: ``q`` is not floating.

    >>> zeta(2.0, np.asarray([1.0, 2.0])).array.round(4)
    array([1.6449, 0.6449])
    """
    q = as_variable(q)
    if isinstance(x, int | float):
        x = q.xp.full((), x, dtype=q.array.dtype, device=q.array.device)
    return Zeta(operand(q, x).array).apply((q,))[0]
