"""What optimizer hooks do to gradients. Nothing is donated: several Variables may share a gradient's array."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array


@kernel(elementwise=True)
def add_scaled(backend: Backend, g: Array, p: Array, rate: float) -> Array:
    """g + λp."""
    return g + rate * p


@kernel(elementwise=True)
def add_sign(backend: Backend, g: Array, p: Array, rate: float) -> Array:
    """g + λ sign(p)."""
    return g + rate * backend.xp.sign(p)


@kernel(elementwise=True)
def clamp(backend: Backend, g: Array, lower: float, upper: float) -> Array:
    """min(max(g, lower), upper)."""
    return backend.xp.clip(g, lower, upper)


@kernel(elementwise=True)
def scale(backend: Backend, g: Array, rate: Array) -> Array:
    """g · rate, in g's dtype; ``rate`` is a 0-d array, so that nobody waits for it."""
    return g * backend.xp.astype(rate, g.dtype)


@kernel(elementwise=True)
def scale_decayed(backend: Backend, g: Array, p: Array, rate: Array, decay: float) -> Array:
    """(g + λp) · rate, in g's dtype; ``rate`` is a 0-d array."""
    return (g + decay * p) * backend.xp.astype(rate, g.dtype)


@kernel
def sum_of_squares(backend: Backend, x: Array) -> Array:
    """Σ x², 0-d, in float32 at least: 256² is the largest square that float16 holds."""
    xp = backend.xp
    if backend.host_dtype(x.dtype).itemsize < 4:
        x = xp.astype(x, xp.float32)
    return xp.sum(x * x)


@kernel
def clipping_rate(backend: Backend, square: Array, threshold: float) -> Array:
    """min(1, threshold / ‖g‖), 0-d, from ‖g‖²; not finite where the norm is not."""
    xp = backend.xp
    norm = xp.sqrt(square)
    return threshold / xp.maximum(norm, xp.full_like(norm, threshold))


@kernel
def lars_rate(
    backend: Backend, p_square: Array, g_square: Array, threshold: float, decay: float, epsilon: float
) -> Array:
    """‖p‖ / (ε + ‖g‖ + λ‖p‖) where ‖p‖ > threshold, else 1; 0-d, from ‖p‖² and ‖g‖²."""
    xp = backend.xp
    p_norm, g_norm = xp.sqrt(p_square), xp.sqrt(g_square)
    rate = p_norm / (epsilon + g_norm + decay * p_norm)
    return xp.where(p_norm > threshold, rate, xp.ones_like(rate))
