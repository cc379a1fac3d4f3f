"""Update rules of whole matrices, not element by element."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array


@kernel
def orthogonalized(backend: Backend, a: Array, steps: int) -> Array:
    """U f(Σ/‖a‖) Vᵀ for a = U Σ Vᵀ (M, N), in a's dtype; f is p(x) = 3.4445x − 4.7750x³ + 2.0315x⁵, ``steps`` times.

    Five steps bring every singular value above 0.002‖a‖ into 0.68 … 1.21; a matrix of zeros stays one.
    """
    xp = backend.xp
    x = xp.astype(a, xp.float32) if backend.host_dtype(a.dtype).itemsize < 4 else a
    tall = a.shape[0] > a.shape[1]
    if tall:  # the products are those of the shorter side
        x = xp.matrix_transpose(x)
    x = x / (xp.sqrt(xp.sum(x * x)) + 1e-7)
    for _ in range(steps):
        gram = xp.matmul(x, xp.matrix_transpose(x))
        x = 3.4445 * x + xp.matmul(2.0315 * xp.matmul(gram, gram) - 4.7750 * gram, x)
    if tall:
        x = xp.matrix_transpose(x)
    return xp.astype(x, a.dtype)


@kernel
def muon(
    backend: Backend,
    p: Array,
    g: Array,
    v: Array,
    learning_rate: float,
    momentum: float,
    steps: int,
    eta: float,
    decay: float,
) -> tuple[Array, Array]:
    """v ← μv + g, p ← p − η(α √max(1, M/N) orthogonalized(g + μv) + λp); p (M, …), N elements in each of M rows."""
    xp = backend.xp
    v = xp.astype(momentum * v + g, p.dtype)
    rows = p.shape[0]
    direction = xp.astype(g + momentum * v, p.dtype)
    matrix = xp.reshape(direction, (rows, direction.size // rows))
    scale = learning_rate * max(1.0, rows / matrix.shape[1]) ** 0.5
    step = scale * xp.reshape(orthogonalized(backend, matrix, steps), p.shape)
    return xp.astype(p - eta * (step + decay * p), p.dtype), v
