"""Noise: what is done with random numbers. They are drawn elsewhere and passed in."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array


@kernel(elementwise=True)
def dropout(backend: Backend, x: Array, drawn: Array, ratio: float) -> tuple[Array, Array]:
    """x · mask, and the mask: 1 / (1 − ratio) where ``drawn``, from [0, 1), is at least ``ratio``, else 0."""
    mask = backend.xp.astype(drawn >= ratio, x.dtype) * (1 / (1 - ratio))
    return x * mask, mask


@kernel(elementwise=True)
def zoneout(backend: Backend, h: Array, x: Array, drawn: Array, ratio: float) -> Array:
    """h where ``drawn``, from [0, 1), is below ``ratio``, else x."""
    return backend.xp.where(drawn < ratio, h, x)


@kernel(elementwise=True)
def gaussian(backend: Backend, mean: Array, ln_var: Array, eps: Array) -> Array:
    """mean + exp(ln_var / 2) · ε."""
    return mean + backend.xp.exp(ln_var * 0.5) * eps


@kernel(elementwise=True)
def gumbel(backend: Backend, drawn: Array) -> Array:
    """−log(−log u) of u = ``drawn``, from [0, 1): numbers of the standard Gumbel distribution.

    u is kept above 2⁻¹²⁶, float32's smallest normal number: the logarithm of 0 is not finite.
    """
    xp = backend.xp
    return -xp.log(-xp.log(xp.maximum(drawn, 2.0**-126)))
