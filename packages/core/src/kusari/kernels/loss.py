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
    """−t log σ(x) − (1 − t) log(1 − σ(x)) for t of 0 or 1, and 0 where t is −1.

    As log(1 + eᶻ) = max(z, 0) + log(1 + exp(−|z|)) of z = (1 − 2t) x, which is x or −x: nothing overflows.
    """
    xp = backend.xp
    z = (1 - 2 * t) * x
    return xp.where(t == -1, 0, xp.maximum(z, 0) + xp.log1p(xp.exp(-abs(z))))
