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
def symmetric_eigen(backend: Backend, a: Array) -> tuple[Array, Array]:
    """Eigenvalues (…, N), ascending, and eigenvectors (…, N, N) in columns, of each symmetric matrix of a (…, N, N)."""
    values, vectors = backend.xp.linalg.eigh(a)
    return values, vectors
