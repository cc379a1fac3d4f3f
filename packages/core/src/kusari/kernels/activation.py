"""Elementwise activations: one definition each, fused by any backend that can."""

from __future__ import annotations

from typing import Final, NamedTuple

from kusari.backend import Backend, Kernel, kernel
from kusari.types import Array


class Activation(NamedTuple):
    """What a convolution or a linear kernel can take as its epilogue.

    Both kernels are elementwise; parameters are passed on to both, after the arrays.
    """

    name: str
    forward: Kernel[..., Array]
    """``forward(backend, x, *parameters)``."""
    gradient: Kernel[..., Array]
    """``gradient(backend, y, gy, *parameters)``: the derivative is read off the output."""
    parameters: tuple[float, ...] = ()

    def apply(self, backend: Backend, x: Array) -> Array:
        """Return activation(x)."""
        return self.forward(backend, x, *self.parameters)

    def backpropagate(self, backend: Backend, y: Array, gy: Array) -> Array:
        """Return gy times the derivative, from the output ``y``."""
        return self.gradient(backend, y, gy, *self.parameters)

    def __repr__(self) -> str:
        return f"{self.name}{self.parameters or ''}"


@kernel(elementwise=True)
def relu(backend: Backend, x: Array) -> Array:
    """max(x, 0)."""
    return backend.xp.maximum(x, 0)


@kernel(elementwise=True)
def relu_grad(backend: Backend, y: Array, gy: Array) -> Array:
    """gy where y > 0, else 0."""
    return backend.xp.where(y > 0, gy, 0)


@kernel(elementwise=True)
def sigmoid(backend: Backend, x: Array) -> Array:
    """1 / (1 + e⁻ˣ), as tanh(x/2)/2 + 1/2: nothing overflows."""
    return backend.xp.tanh(x * 0.5) * 0.5 + 0.5


@kernel(elementwise=True)
def sigmoid_grad(backend: Backend, y: Array, gy: Array) -> Array:
    """gy y (1 − y)."""
    return gy * y * (1 - y)


@kernel(elementwise=True)
def tanh(backend: Backend, x: Array) -> Array:
    """tanh(x)."""
    return backend.xp.tanh(x)


@kernel(elementwise=True)
def tanh_grad(backend: Backend, y: Array, gy: Array) -> Array:
    """gy (1 − y²)."""
    return gy * (1 - y * y)


RELU: Final = Activation("relu", relu, relu_grad)
SIGMOID: Final = Activation("sigmoid", sigmoid, sigmoid_grad)
TANH: Final = Activation("tanh", tanh, tanh_grad)
