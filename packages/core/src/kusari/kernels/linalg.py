"""Linear algebra: what the standard's optional extension `linalg` has. Stacks of matrices, float32 or float64."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array


@kernel(extension="linalg")
def inverse(backend: Backend, a: Array) -> Array:
    """a⁻¹ for each matrix of a (…, N, N). On the host, a singular one raises ValueError."""
    return backend.xp.linalg.inv(a)


@kernel(extension="linalg")
def determinant(backend: Backend, a: Array) -> Array:
    """det a (…) for each matrix of a (…, N, N)."""
    return backend.xp.linalg.det(a)


@kernel(extension="linalg")
def cholesky(backend: Backend, a: Array) -> Array:
    """The lower triangular L with L Lᵀ = a, for each matrix of a (…, N, N), whose lower triangle is read.

    On the host, one that is not positive definite raises ValueError.
    """
    return backend.xp.linalg.cholesky(a)


@kernel(extension="linalg")
def inverse_square_root(backend: Backend, a: Array) -> Array:
    """a^−½ for each symmetric positive definite matrix of a (…, N, N)."""
    xp = backend.xp
    values, vectors = xp.linalg.eigh(a)
    return xp.matmul(vectors / xp.expand_dims(xp.sqrt(values), axis=-2), xp.matrix_transpose(vectors))


@kernel(extension="linalg")
def solve_lyapunov(backend: Backend, a: Array, b: Array) -> Array:
    """The z with a z + z a = b, for each symmetric positive definite matrix of a (…, N, N) and any of b (…, N, N)."""
    xp = backend.xp
    values, vectors = xp.linalg.eigh(a)
    back = xp.matrix_transpose(vectors)
    # Along the eigenvectors, the equation is one of numbers.
    z = xp.matmul(xp.matmul(back, b), vectors) / (xp.expand_dims(values, axis=-1) + xp.expand_dims(values, axis=-2))
    return xp.matmul(xp.matmul(vectors, z), back)
