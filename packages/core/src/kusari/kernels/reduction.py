"""Reductions that are no function of the array module by themselves."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array, Shape


@kernel
def logsumexp(backend: Backend, x: Array, axis: Shape) -> Array:
    """ln Σ eˣ over axes: m + ln Σ e^(x − m), where m is the largest value."""
    xp = backend.xp
    m = xp.max(x, axis=axis, keepdims=True)
    # ∞ − ∞ is NaN: an infinite m stays where it is, and what it gives (e^−∞ = 0, e^∞ = ∞) is added to it.
    total = xp.sum(xp.exp(x - xp.where(xp.isfinite(m), m, 0)), axis=axis, keepdims=True)
    y = m + xp.log(xp.where(total == 0, 1, total))
    return xp.squeeze(y, axis=axis)
