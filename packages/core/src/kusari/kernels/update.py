"""Update rules: new values of a parameter and its state from its gradient."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array


@kernel(elementwise=True, donates=("p",))
def sgd(backend: Backend, p: Array, g: Array, learning_rate: float) -> tuple[Array]:
    """p − ηg."""
    return (p - learning_rate * g,)


@kernel(elementwise=True, donates=("p", "v"))
def momentum_sgd(
    backend: Backend, p: Array, g: Array, v: Array, learning_rate: float, momentum: float
) -> tuple[Array, Array]:
    """v ← μv − ηg, p ← p + v."""
    v = momentum * v - learning_rate * g
    return p + v, v


@kernel(elementwise=True, donates=("p", "m", "v"))
def adam(
    backend: Backend,
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    step_size: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    eta: float,
    decay: float,
) -> tuple[Array, Array, Array]:
    """m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − η(αₜ m / (√v + ε) + λp)."""
    m = m + (1 - beta1) * (g - m)
    v = v + (1 - beta2) * (g * g - v)
    return p - eta * (step_size * m / (backend.xp.sqrt(v) + epsilon) + decay * p), m, v
