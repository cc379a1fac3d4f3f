"""Elementwise numbers of the mathematical functions that are no function of the array module by themselves."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array


@kernel
def fmod(backend: Backend, x: Array, divisor: Array) -> Array:
    """The remainder of x / divisor, with the sign of x; exact, as every remainder is."""
    xp = backend.xp
    return xp.copysign(xp.remainder(abs(x), abs(divisor)), x)


@kernel
def fmod_quotient(backend: Backend, x: Array, divisor: Array) -> Array:
    """The whole number n of x = n·divisor + fmod(x, divisor).

    x / divisor itself may round up to the next whole number; (x − remainder) / divisor is within 1 ulp of n.
    """
    return backend.xp.round((x - fmod(backend, x, divisor)) / divisor)


@kernel(elementwise=True)
def linear_interpolate(backend: Backend, p: Array, x: Array, y: Array) -> Array:
    """p x + (1 − p) y."""
    return p * x + (1 - p) * y
