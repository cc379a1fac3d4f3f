"""Concatenated rectified linear unit."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.relu import relu_grad
from kusari.kernels import activation as kernels


class CReLU(FunctionNode):
    """y = [max(x, 0), max(−x, 0)] along an axis; dy/dx is read off y."""

    def __init__(self, axis: int = 1) -> None:
        self.axis = axis

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        expect(in_types[0].ndim > self.axis, in_types[0].ndim >= -self.axis)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self.retain_outputs((0,))
        return (kernels.relu(self.backend, self.backend.xp.concat([x, -x], axis=self.axis)),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (y,), (gy,) = self.get_retained_outputs(), grad_outputs
        axis = self.axis % y.ndim
        middle = y.shape[axis] // 2
        first, second = [(slice(None),) * axis + (half,) for half in (slice(None, middle), slice(middle, None))]
        return (relu_grad(y[first], gy[first]) - relu_grad(y[second], gy[second]),)


def crelu(x: VariableLike, axis: int = 1) -> Variable:
    """Concatenate the positive and the negative part of the input.

    y = [max(x, 0), max(−x, 0)] along ``axis``.

    Args:
        x: Any shape with that axis, floating.
        axis: Which axis doubles.

    Returns:
        ``x``'s shape with ``axis`` twice as long, in its dtype.

    Raises:
        InvalidType: ``x`` is not floating, or has no such axis.
        TypeError: ``axis`` is not an integer.

    Source: Shang, Sohn, Almeida, Lee, 2016, arXiv:1603.05201.

    >>> crelu(np.asarray([[-1.0, 2.0]], "f")).array
    array([[0., 2., 1., 0.]], dtype=float32)
    """
    if not isinstance(axis, int):
        raise TypeError(f"crelu(axis={axis!r}): expected an integer")
    return CReLU(axis).apply((x,))[0]
