"""Functions that ``triton.language`` lacks, in its arithmetic: they run in the interpreter and on a GPU alike."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import triton
import triton.language as tl

# libdevice has these functions, but not in the interpreter; one text for both is what the tests can vouch for.


@triton.jit
def expm1(x):
    """Compute eˣ − 1: float32 to 2 units in the last place, float64 to 4."""
    if x.dtype == tl.float64:
        power = tl.exp(x)
        # Kahan: the rounding errors of power - 1 and log(power) cancel.
        y = (power - 1) * (x / tl.log(power))
        y = tl.where((power == 1) | (x != x), x, tl.where(power - 1 == -1, -1.0, y))
        y = tl.where(power == float("inf"), power, y)
    else:
        # Near 0 the polynomial of Cephes' expf, Moshier 1989, |x| < ln 2 / 2; exp(x) - 1 keeps 3 digits there.
        p = ((((x * 1.98756915e-4 + 1.3981999507e-3) * x + 8.3334519073e-3) * x + 4.1665795894e-2) * x
             + 1.6666665459e-1) * x + 5.0000001201e-1  # fmt: skip
        y = tl.where(tl.abs(x) < 0.34, p * x * x + x, tl.exp(x) - 1)
    return y


@triton.jit
def tanh(x):
    """Compute tanh(x)."""
    if x.dtype == tl.float64:
        e = expm1(-2 * tl.abs(x))
        y = -e / (e + 2)
        y = tl.where(x < 0, -y, y)
    else:
        # Cephes' tanhf, Moshier 1989.
        z = x * x
        p = (((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z + 1.33314422036e-1) * z
        near = x + x * z * (p - 3.33332819422e-1)
        y = tl.where(tl.abs(x) < 0.625, near, 1 - 2 / (tl.exp(x + x) + 1))
    return y


@triton.jit
def log1p(x):
    """Compute log(1 + x): the error of 1 + x is divided out (Goldberg 1991, theorem 4)."""
    u = 1 + x
    y = tl.log(u) * (x / (u - 1))
    return tl.where(u == x, tl.log(u), tl.where(u == 1, x, y))


@triton.jit
def rint(x):
    """Round to the nearest integer, halves to even: adding 2²³ (2⁵² in float64) leaves no bits for a fraction."""
    if x.dtype == tl.float64:
        unit = 4503599627370496.0
    else:
        unit = 8388608.0
    y = tl.where(x < 0, (x - unit) + unit, (x + unit) - unit)
    return tl.where(tl.abs(x) < unit, y, x)
