"""What elementwise activations share: nodes over an `Activation`, and over one with a learned parameter."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import constant
from kusari.configuration import current_state
from kusari.functions.fused import FusedNode, activation_gradient
from kusari.kernels.activation import Activation
from kusari.kernels.reduction import total
from kusari.types import Array, Shape


class OutputActivation(FunctionNode):
    """y = activation(x), elementwise; dy/dx is read off y."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_outputs((0,))
        return (self.activation.apply(self.backend, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (y,) = self.get_retained_outputs()
        return (activation_gradient(self.activation, y, grad_outputs[0]),)


class PiecewiseLinearGrad(FunctionNode):
    """gy times a slope that y chooses: linear in gy, and flat in y."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0,))
        return (self.activation.backpropagate(self.backend, *inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        (y,) = self.get_retained_inputs()
        return tuple([self._again(y, grad_outputs[0]) if index else None for index in indexes])

    def _again(self, y: Variable, g: Variable) -> Variable:
        return PiecewiseLinearGrad(self.activation).apply((y, g))[0]


class ParametricActivation(FusedNode):
    """y = f(x, w), elementwise, where w is learned and has the shape of x's first axes after the batch."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x", "W"))
        x, W = in_types
        last = 1 + len(W.shape)
        expect(W.dtype == x.dtype, x.ndim >= last, x.shape[1:last] == W.shape)

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        x, W = inputs
        self.retain_inputs((0, 1))
        return (self.compute(x, self.backend.xp.reshape(W, channel_shape(W.shape, x.ndim))),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        if current_state().enable_backprop:
            return self.backward_through_chain(indexes, self.get_retained_inputs(), grad_outputs)
        xp, (x, W) = self.backend.xp, [v.array for v in self.get_retained_inputs()]
        gx, gW = self.differentiate(x, xp.reshape(W, channel_shape(W.shape, x.ndim)), grad_outputs[0].array)
        if 1 in indexes:
            others = (0, *range(1 + W.ndim, x.ndim))
            gW = self.backend.as_array(total(self.backend, gW, others), W)
        return tuple([constant((gx, gW)[index], self.device) for index in indexes])

    def compute(self, x: Array, W: Array) -> Array:
        """Return y; ``W`` broadcasts to ``x``."""
        raise NotImplementedError

    def differentiate(self, x: Array, W: Array, gy: Array) -> tuple[Array, Array]:
        """Return the gradients of ``x`` and, in its shape, of ``W``."""
        raise NotImplementedError


def along_channels(W: Variable, ndim: int) -> Variable:
    """Return a parameter of x's first axes after the batch as one that broadcasts to x, of ``ndim`` axes."""
    return W.reshape(channel_shape(W.shape, ndim))


def channel_shape(shape: Shape, ndim: int) -> Shape:
    """Return a parameter's shape with ones around it.

    >>> channel_shape((3,), 4)
    (1, 3, 1, 1)
    """
    return (1, *shape, *(1,) * (ndim - 1 - len(shape)))
