"""Normalization to unit length."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.axes import reduced_axes
from kusari.autograd.shaping import cast
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.functions.math.wide import widened
from kusari.types import Shape


class NormalizeL2(FunctionNode):
    """y = x / (‖x‖ + ε) along axes."""

    def __init__(self, eps: float, axis: Shape) -> None:
        self.eps = eps
        self.axis = axis

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        xp, x = self.backend.xp, widened(self.backend, inputs[0])  # squares beyond 256² overflow float16
        self.retain_inputs((0,))
        norm = xp.sqrt(xp.sum(x * x, axis=self.axis, keepdims=True))
        return (xp.astype(x / (norm + self.eps), inputs[0].dtype, copy=False),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,) = self.get_retained_inputs()
        dtype, xp = x.dtype, self.backend.xp
        x, gy = (cast(v, "float32") if dtype.itemsize < 4 else v for v in (x, grad_outputs[0]))
        squares = (x * x).sum(axis=self.axis, keepdims=True)
        # Where ‖x‖ is 0, √ has no slope: 1 stands in for it, x = 0 takes that out again, and y = x / ε.
        zero = constant(xp.astype(squares.array == 0, x.array.dtype), self.device)
        length = (squares + zero) ** 0.5
        whole = length - zero + self.eps
        along = (gy * x).sum(axis=self.axis, keepdims=True)
        return (cast(gy / whole - x * (along / (length * whole * whole)), dtype),)


def normalize(x: VariableLike, eps: float = 1e-5, axis: int | tuple[int, ...] = 1) -> Variable:
    """Scale vectors to unit L2 norm.

    y = x / (‖x‖ + ε), where ‖x‖ is over ``axis``.

    Args:
        x: Any shape, floating.
        eps: ε, so that a vector of zeros stays one.
        axis: One axis or several; None: all.

    Returns:
        Same shape and dtype as ``x``; norms of 16-bit inputs are computed in float32.

    Raises:
        InvalidType: ``x`` is not floating, or has no such axis.
        ValueError: An axis twice.
        TypeError: ``axis`` is no integer, nor a tuple of them.

    >>> normalize(np.asarray([[3.0, 4.0]])).array.round(3)
    array([[0.6, 0.8]])
    """
    x = as_variable(x)
    return NormalizeL2(eps, reduced_axes("normalize", axis, x.ndim)).apply((x,))[0]
