"""Update rules: new values of a parameter and its states from its gradient."""

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


@kernel(elementwise=True, donates=("p", "v"))
def corrected_momentum_sgd(
    backend: Backend, p: Array, g: Array, v: Array, learning_rate: float, momentum: float
) -> tuple[Array, Array]:
    """v ← μv − g, p ← p + ηv."""
    v = momentum * v - g
    return p + learning_rate * v, v


@kernel(elementwise=True, donates=("p", "v"))
def nesterov_ag(
    backend: Backend, p: Array, g: Array, v: Array, learning_rate: float, momentum: float
) -> tuple[Array, Array]:
    """v ← μv − ηg, p ← p + μv − ηg."""
    v = momentum * v - learning_rate * g
    return p + momentum * v - learning_rate * g, v


@kernel(elementwise=True, donates=("p", "h"))
def ada_grad(
    backend: Backend, p: Array, g: Array, h: Array, learning_rate: float, epsilon: float
) -> tuple[Array, Array]:
    """h ← h + g², p ← p − ηg / (√h + ε)."""
    h = h + g * g
    return p - learning_rate * g / (backend.xp.sqrt(h) + epsilon), h


@kernel(elementwise=True, donates=("p", "msg", "msdx"))
def ada_delta(
    backend: Backend, p: Array, g: Array, msg: Array, msdx: Array, rho: float, epsilon: float
) -> tuple[Array, Array, Array]:
    """s ← ρs + (1 − ρ)g², Δ = g √((d + ε) / (s + ε)), d ← ρd + (1 − ρ)Δ², p ← p − Δ."""
    msg = msg + (1 - rho) * (g * g - msg)
    dx = backend.xp.sqrt((msdx + epsilon) / (msg + epsilon)) * g
    msdx = msdx + (1 - rho) * (dx * dx - msdx)
    return p - dx, msg, msdx


@kernel(elementwise=True, donates=("p", "ms"))
def rmsprop(
    backend: Backend, p: Array, g: Array, ms: Array, learning_rate: float, alpha: float, epsilon: float
) -> tuple[Array, Array]:
    """s ← αs + (1 − α)g², p ← p − ηg / (√s + ε)."""
    ms = ms + (1 - alpha) * (g * g - ms)
    return p - learning_rate * g / (backend.xp.sqrt(ms) + epsilon), ms


@kernel(elementwise=True, donates=("p", "ms"))
def rmsprop_inside(
    backend: Backend, p: Array, g: Array, ms: Array, learning_rate: float, alpha: float, epsilon: float
) -> tuple[Array, Array]:
    """s ← αs + (1 − α)g², p ← p − ηg / √(s + ε)."""
    ms = ms + (1 - alpha) * (g * g - ms)
    return p - learning_rate * g / backend.xp.sqrt(ms + epsilon), ms


@kernel(elementwise=True, donates=("p", "n", "mean", "delta"))
def rmsprop_graves(
    backend: Backend,
    p: Array,
    g: Array,
    n: Array,
    mean: Array,
    delta: Array,
    learning_rate: float,
    alpha: float,
    momentum: float,
    epsilon: float,
) -> tuple[Array, Array, Array, Array]:
    """n ← αn + (1 − α)g², ḡ ← αḡ + (1 − α)g, Δ ← μΔ − ηg / √(n − ḡ² + ε), p ← p + Δ."""
    n = n + (1 - alpha) * (g * g - n)
    mean = mean + (1 - alpha) * (g - mean)
    delta = momentum * delta - learning_rate * g / backend.xp.sqrt(n - mean * mean + epsilon)
    return p + delta, n, mean, delta


@kernel(elementwise=True, donates=("p", "mem", "mean", "square"))
def smorms3(
    backend: Backend,
    p: Array,
    g: Array,
    mem: Array,
    mean: Array,
    square: Array,
    learning_rate: float,
    epsilon: float,
) -> tuple[Array, Array, Array, Array]:
    """p ← p − g min(η, x) / (√s + ε).

    r = 1/(m + 1), ḡ ← (1 − r)ḡ + rg, s ← (1 − r)s + rg², x = ḡ²/(s + ε), m ← 1 + m(1 − x).
    """
    xp = backend.xp
    r = 1 / (mem + 1)
    mean = mean + r * (g - mean)
    square = square + r * (g * g - square)
    x = mean * mean / (square + epsilon)
    return p - g * xp.minimum(x, learning_rate) / (xp.sqrt(square) + epsilon), 1 + mem * (1 - x), mean, square


@kernel(elementwise=True, donates=("p", "m", "v"))
def msvag(
    backend: Backend,
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    learning_rate: float,
    beta: float,
    correction: float,
    noise_weight: float,
    eta: float,
    decay: float,
) -> tuple[Array, Array, Array]:
    """m ← βm + (1 − β)g, v ← βv + (1 − β)g², γ = m̂² / (m̂² + w(v̂ − m̂²)), p ← p − η(αγm̂ + λp).

    m̂ = m c and v̂ = v c with the ``correction`` c = 1 / (1 − βᵗ); where m̂ is 0, so is the step.
    """
    xp = backend.xp
    m = m + (1 - beta) * (g - m)
    v = v + (1 - beta) * (g * g - v)
    mean = correction * m
    signal = mean * mean
    total = signal + noise_weight * xp.maximum(correction * v - signal, 0)
    gamma = signal / xp.where(total > 0, total, 1)
    return p - eta * (learning_rate * gamma * mean + decay * p), m, v


@kernel(elementwise=True, donates=("p", "m"))
def lion(
    backend: Backend,
    p: Array,
    g: Array,
    m: Array,
    learning_rate: float,
    beta1: float,
    beta2: float,
    eta: float,
    decay: float,
) -> tuple[Array, Array]:
    """p ← p − η(α sign(β₁m + (1 − β₁)g) + λp), m ← β₂m + (1 − β₂)g."""
    step = learning_rate * backend.xp.sign(m + (1 - beta1) * (g - m))
    return p - eta * (step + decay * p), m + (1 - beta2) * (g - m)


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
    return p * (1 - eta * decay) - (eta * step_size) * m / (backend.xp.sqrt(v) + epsilon), m, v


@kernel(elementwise=True, donates=("p", "m", "v", "vhat"))
def amsgrad(
    backend: Backend,
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    vhat: Array,
    step_size: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    eta: float,
    decay: float,
) -> tuple[Array, Array, Array, Array]:
    """As `adam`, with v̂ ← max(v̂, v) under the root."""
    xp = backend.xp
    m = m + (1 - beta1) * (g - m)
    v = v + (1 - beta2) * (g * g - v)
    vhat = xp.maximum(vhat, v)
    return p - eta * (step_size * m / (xp.sqrt(vhat) + epsilon) + decay * p), m, v, vhat


@kernel(elementwise=True, donates=("p", "m", "v"))
def ada_bound(
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
    lower: float,
    upper: float,
) -> tuple[Array, Array, Array]:
    """As `adam`, with the step αₜ / (√v + ε) between ``lower`` and ``upper``."""
    xp = backend.xp
    m = m + (1 - beta1) * (g - m)
    v = v + (1 - beta2) * (g * g - v)
    step = xp.minimum(xp.maximum(step_size / (xp.sqrt(v) + epsilon), lower), upper)
    return p - eta * (step * m + decay * p), m, v


@kernel(elementwise=True, donates=("p", "m", "v", "vhat"))
def ams_bound(
    backend: Backend,
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    vhat: Array,
    step_size: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    eta: float,
    decay: float,
    lower: float,
    upper: float,
) -> tuple[Array, Array, Array, Array]:
    """As `amsgrad`, with the step αₜ / (√v̂ + ε) between ``lower`` and ``upper``."""
    xp = backend.xp
    m = m + (1 - beta1) * (g - m)
    v = v + (1 - beta2) * (g * g - v)
    vhat = xp.maximum(vhat, v)
    step = xp.minimum(xp.maximum(step_size / (xp.sqrt(vhat) + epsilon), lower), upper)
    return p - eta * (step * m + decay * p), m, v, vhat
