"""The error function and what is made of it, by rational approximations: elementwise, on every backend.

float32 or float64: in 16 bits the polynomials overflow.

Source: Cody, 1969, Rational Chebyshev approximations for the error function, Math. Comp. 23.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from kusari.backend import Backend, kernel
from kusari.types import Array

SMALL: Final = 0.46875
"""Up to here erf is computed, beyond it erfc: neither loses digits in 1 − the other."""

# Coefficients from the highest power down: of x² for |x| ≤ 0.46875, of |x| up to 4, of 1/x² beyond.
ERF_SMALL: Final = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
ERFCX_MIDDLE: Final = (
    (
        *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1),
        *(2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3),
        1.23033935479799725e3,
    ),
    (
        *(1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3),
        *(3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
    ),
)
ERFCX_LARGE: Final = (
    (
        *(1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1),
        *(1.60837851487422766e-2, 6.58749161529837803e-4),
    ),
    (
        *(1, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2),
        2.33520497626869185e-3,
    ),
)


def _ratio(coefficients: tuple[Sequence[float], Sequence[float]], x: Array) -> Array:
    """Return the ratio of two polynomials of x."""
    above, below = (_polynomial(one, x) for one in coefficients)
    return above / below


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    y = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        y = y * x + coefficient
    return y


def _near_zero(backend: Backend, x: Array) -> Array:
    """Return erf(x) for |x| ≤ 0.46875."""
    x = backend.xp.clip(x, -SMALL, SMALL)
    return x * _ratio(ERF_SMALL, x * x)


def _scaled_tail(backend: Backend, y: Array) -> Array:
    """Return e^(y²) erfc(y) for y ≥ 0.46875."""
    xp = backend.xp
    middle = _ratio(ERFCX_MIDDLE, xp.clip(y, SMALL, 4))
    inverse = 1 / xp.maximum(y, 4)
    square = inverse * inverse
    large = inverse * (1 / math.sqrt(math.pi) - square * _ratio(ERFCX_LARGE, square))
    return xp.where(y <= 4, middle, large)


def _bell(backend: Backend, y: Array) -> Array:
    """Return e^(−y²) for y ≥ 0, without the error that rounding y² makes, y² times as large as that of y."""
    xp = backend.xp
    y = xp.minimum(y, 10000)  # 0 long before, and ∞ − ∞ is NaN
    coarse = xp.floor(y * 16) / 16
    return xp.exp(-coarse * coarse) * xp.exp((coarse - y) * (coarse + y))


@kernel(elementwise=True)
def erf(backend: Backend, x: Array) -> Array:
    """2/√π ∫ e^(−t²) dt from 0 to x."""
    xp, y = backend.xp, abs(x)
    tail = 1 - _bell(backend, y) * _scaled_tail(backend, y)
    return xp.where(y <= SMALL, _near_zero(backend, x), xp.where(x < 0, -tail, tail))


@kernel(elementwise=True)
def erfc(backend: Backend, x: Array) -> Array:
    """1 − erf(x), with all digits where erf is near 1."""
    xp, y = backend.xp, abs(x)
    tail = _bell(backend, y) * _scaled_tail(backend, y)
    return xp.where(y <= SMALL, 1 - _near_zero(backend, x), xp.where(x < 0, 2 - tail, tail))


@kernel(elementwise=True)
def erfcx(backend: Backend, x: Array) -> Array:
    """e^(x²) erfc(x)."""
    xp, y = backend.xp, abs(x)
    # Two factors of e^(x²), as in _bell; where x > 0 they are not wanted, and 1.
    left = xp.clip(x, -10000, 0)  # ∞ long before, and ∞ − ∞ is NaN
    coarse = xp.floor(left * 16) / 16
    grown = xp.exp(coarse * coarse) * xp.exp((left - coarse) * (left + coarse))
    tail = _scaled_tail(backend, y)
    near_zero = xp.exp(xp.clip(x, -SMALL, SMALL) ** 2) * (1 - _near_zero(backend, x))
    return xp.where(y <= SMALL, near_zero, xp.where(x < 0, 2 * grown - tail, tail))


@kernel(elementwise=True)
def ndtr(backend: Backend, x: Array) -> Array:
    """The area under the standard normal density left of x."""
    return 0.5 * erfc(backend, x * -math.sqrt(0.5))


@kernel(elementwise=True)
def log_ndtr(backend: Backend, x: Array) -> Array:
    """ln ndtr(x), with all digits where ndtr is tiny, or near 1."""
    xp, t = backend.xp, x * math.sqrt(0.5)
    left, right = xp.minimum(t, 0), xp.maximum(t, 0)
    # erfcx(∞) is 0, whose logarithm is not wanted: there the square is all that counts.
    below = xp.log(xp.maximum(0.5 * erfcx(backend, -left), 1e-37)) - left * left
    return xp.where(x < 0, below, xp.log1p(-0.5 * erfc(backend, right)))
