"""The affine map of a fully connected layer, and the bilinear map of two inputs."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.kernels.activation import Activation
from kusari.types import Array


@kernel
def linear(backend: Backend, x: Array, W: Array, b: Array | None, activation: Activation | None = None) -> Array:
    """y = activation(x Wᵀ + b); x (N, I), W (O, I), b (O,)."""
    xp = backend.xp
    y = xp.astype(xp.matmul(x, xp.matrix_transpose(W)), x.dtype, copy=False)  # the host's of bfloat16 is float32
    if b is not None:
        y = y + b
    return y if activation is None else activation.apply(backend, y)


@kernel
def bilinear(
    backend: Backend, e1: Array, e2: Array, W: Array, V1: Array | None, V2: Array | None, b: Array | None
) -> Array:
    """y[n, l] = Σ e1[n, j] e2[n, k] W[j, k, l] + (e1 V1 + e2 V2 + b)[n, l]; e1 (N, J), e2 (N, K), W (J, K, L).

    V1 (J, L), V2 (K, L) and b (L,) are all there or all None.
    """
    xp, (J, K, L) = backend.xp, W.shape
    products = xp.reshape(xp.expand_dims(e1, axis=2) * xp.expand_dims(e2, axis=1), (e1.shape[0], J * K))
    y = xp.matmul(products, xp.reshape(W, (J * K, L)))
    return y if b is None else y + xp.matmul(e1, V1) + xp.matmul(e2, V2) + b
