"""Elementwise losses."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array


@kernel(elementwise=True)
def huber(backend: Backend, d: Array, delta: float) -> Array:
    """d²/2 where |d| ≤ δ, else δ(|d| − δ/2)."""
    size = abs(d)
    return backend.xp.where(size <= delta, d * d * 0.5, delta * (size - 0.5 * delta))


@kernel(elementwise=True)
def sigmoid_cross_entropy(backend: Backend, x: Array, t: Array) -> Array:
    """−t log σ(x) − (1 − t) log(1 − σ(x)), and 0 where t is −1.

    As max(x, 0) − tx + log(1 + exp(−|x|)): nothing overflows.
    """
    xp = backend.xp
    return xp.where(t == -1, 0, xp.maximum(x, 0) - t * x + xp.log1p(xp.exp(-abs(x))))
