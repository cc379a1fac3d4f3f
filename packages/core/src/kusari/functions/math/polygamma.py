"""Derivatives of the digamma function."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.operands import keep_dtype
from kusari.autograd.shaping import sum_to
from kusari.autograd.variable import VariableLike, constant
from kusari.dtypes import is_floating
from kusari.errors import InvalidType
from kusari.kernels import special as kernels


class PolyGamma(FunctionNode):
    """y = the n-th derivative of digamma at x; dy/dx is the next one, and n has no gradient."""

    label = "polygamma"

    def check_type_forward(self, in_types: Any) -> None:
        n, x = (info.dtype for info in in_types)
        if n.kind not in "iu":
            raise InvalidType("n.dtype is an integer type", f"{n}")
        if not is_floating(x):
            raise InvalidType("x.dtype is floating", f"{x}")

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        n, x = inputs
        self.retain_inputs((0, 1))
        return (keep_dtype(self, kernels.polygamma(self.backend, n, x), x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        n, x = self.get_retained_inputs()
        following = constant(n.array + 1, self.device)
        return tuple(
            [sum_to(grad_outputs[0] * polygamma(following, x), x.shape) if index else None for index in indexes]
        )


def polygamma(n: VariableLike, x: VariableLike) -> Variable:
    """Compute the n-th derivative of the digamma function, elementwise.

    Args:
        n: An integer from 0, or an array of such, of a shape that broadcasts with ``x``'s; no gradient.
        x: Any shape, floating, above 0.

    Raises:
        InvalidType: ``n`` holds no integers, or ``x`` is not floating.

    >>> polygamma(1, np.asarray([1.0, 2.0])).array.round(4)
    array([1.6449, 0.6449])
    """
    x = as_variable(x)
    if isinstance(n, int):
        xp = x.xp
        n = constant(xp.full((), n, dtype=xp.int32, device=x.array.device), x.device)
    return PolyGamma().apply((n, x))[0]
