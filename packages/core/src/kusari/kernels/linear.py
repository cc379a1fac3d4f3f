"""The affine map of a fully connected layer."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.kernels.activation import Activation
from kusari.types import Array


@kernel
def linear(backend: Backend, x: Array, W: Array, b: Array | None, activation: Activation | None = None) -> Array:
    """y = activation(x Wᵀ + b); x (N, I), W (O, I), b (O,)."""
    y = backend.xp.matmul(x, backend.xp.matrix_transpose(W))
    if b is not None:
        y = y + b
    return y if activation is None else activation.apply(backend, y)
