"""The affine map of a fully connected layer, and the bilinear map of two inputs."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.kernels.activation import Activation
from kusari.kernels.reduction import total
from kusari.types import Array


@kernel
def product(backend: Backend, a: Array, b: Array) -> Array:
    """Return the matrix products a b (…, M, N) of (…, M, K) and (…, K, N) in a's dtype: bfloat16's are float32 else."""
    xp = backend.xp
    made: Array = xp.astype(xp.matmul(a, b), a.dtype, copy=False)
    return made


@kernel
def linear(backend: Backend, x: Array, W: Array, b: Array | None, activation: Activation | None = None) -> Array:
    """y = activation(x Wᵀ + b); x (N, I), W (O, I), b (O,)."""
    y = product(backend, x, backend.xp.matrix_transpose(W))
    if b is not None:
        y += b  # in place: product and sum of (10000, 512) in float32 take 38 ms, with a second array 72
    return y if activation is None else activation.apply(backend, y)


@kernel
def linear_gradients(
    backend: Backend,
    x: Array,
    W: Array,
    y: Array | None,
    gy: Array,
    wanted: tuple[bool, bool, bool],
    activation: Activation | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """Return the gradients of (x, W, b) that are wanted, None for the others; with an activation from `linear`'s y."""
    if activation is not None:
        assert y is not None
        gy = activation.backpropagate(backend, y, gy)
    return (
        product(backend, gy, W) if wanted[0] else None,
        product(backend, backend.xp.matrix_transpose(gy), x) if wanted[1] else None,
        total(backend, gy, 0) if wanted[2] else None,
    )


@kernel
def bilinear(
    backend: Backend, e1: Array, e2: Array, W: Array, V1: Array | None, V2: Array | None, b: Array | None
) -> Array:
    """y[n, l] = Σ e1[n, j] e2[n, k] W[j, k, l] + (e1 V1 + e2 V2 + b)[n, l]; e1 (N, J), e2 (N, K), W (J, K, L).

    V1 (J, L), V2 (K, L) and b (L,) are all there or all None.
    """
    xp, (J, K, L) = backend.xp, W.shape
    products = xp.reshape(xp.expand_dims(e1, axis=2) * xp.expand_dims(e2, axis=1), (e1.shape[0], J * K))
    y = product(backend, products, xp.reshape(W, (J * K, L)))
    if b is None:
        return y
    assert V1 is not None
    assert V2 is not None
    return y + product(backend, e1, V1) + product(backend, e2, V2) + b
