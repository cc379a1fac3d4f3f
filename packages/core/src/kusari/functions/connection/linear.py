"""Affine map of a fully connected layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import current_state
from kusari.functions.arguments import like
from kusari.functions.fused import ActivationLike, activation_gradient, split_activation
from kusari.kernels.activation import Activation
from kusari.kernels.linear import linear as linear_kernel
from kusari.kernels.linear import linear_gradients


class LinearFunction(FunctionNode):
    """y = activation(x Wᵀ + b)."""

    def __init__(self, activation: Activation | None = None) -> None:
        self.activation = activation

    def check_type_forward(self, in_types: Any) -> None:
        names = ("x", "W", "b")[: len(in_types)] if len(in_types) in (2, 3) else ("x", "W")
        expect_floating(in_types, names)
        x, W = in_types[0], in_types[1]
        expect(x.ndim == 2, W.ndim == 2)
        expect(x.shape[1] == W.shape[1])
        if len(in_types) == 3:
            expect(in_types[2].ndim == 1, in_types[2].shape[0] == W.shape[0])

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        x, W = inputs[:2]
        self.retain_inputs((0, 1))
        if self.activation is not None:
            self.retain_outputs((0,))
        return (linear_kernel(self.backend, x, W, inputs[2] if len(inputs) == 3 else None, self.activation),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (gy,), (x, W) = grad_outputs, self.get_retained_inputs()
        y = self.get_retained_outputs()[0] if self.activation is not None else None
        if current_state().enable_backprop:
            return self._differentiable(indexes, x, W, y, gy)
        wanted = (0 in indexes, 1 in indexes, 2 in indexes)
        held = None if y is None else y.array
        made = linear_gradients(self.backend, x.array, W.array, held, gy.array, wanted, self.activation)
        return tuple([constant(made[index], self.device) for index in indexes])

    def _differentiable(
        self, indexes: tuple[int, ...], x: Variable, W: Variable, y: Variable | None, gy: Variable
    ) -> tuple[Variable, ...]:
        if self.activation is not None:
            assert y is not None
            gy = activation_gradient(self.activation, y, gy)
        made: dict[int, Callable[[], Variable]] = {
            0: lambda: gy @ W,
            1: lambda: gy.transpose() @ x,
            2: lambda: gy.sum(axis=0),
        }
        return tuple([made[index]() for index in indexes])


def linear(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    n_batch_axes: int = 1,
    *,
    activation: ActivationLike = None,
) -> Variable:
    """Apply an affine map.

    y = activation(x Wᵀ + b).

    Args:
        x: (N, …): axes after the first ``n_batch_axes`` are flattened.
        W: (O, I).
        b: (O,), or None.
        n_batch_axes: How many leading axes stay as they are.
        activation: A function that is applied to the result, in the same kernel where the backend can.

    Returns:
        (N, O), in ``x``'s dtype.

    Raises:
        InvalidType: Sizes that do not fit, or something that is not floating.
        ValueError: ``n_batch_axes`` below 1.

    >>> linear(np.ones((2, 3), "f"), np.ones((4, 3), "f")).array
    array([[3., 3., 3., 3.],
           [3., 3., 3., 3.]], dtype=float32)
    """
    if n_batch_axes < 1:
        raise ValueError(f"linear(n_batch_axes={n_batch_axes}): expected at least 1")
    x = as_variable(x)
    batch = x.shape[:n_batch_axes]
    if n_batch_axes > 1 or x.ndim > 2:
        x = x.reshape(math.prod(batch), math.prod(x.shape[n_batch_axes:]))
    fused, after = split_activation(activation)
    others = [like(x, parameter) for parameter in (W, b) if parameter is not None]
    y = after(LinearFunction(fused).apply((x, *others))[0])
    return y if n_batch_axes == 1 else y.reshape(*batch, y.shape[1])
