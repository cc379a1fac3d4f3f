"""Special functions that no short formula gives: references by SciPy, on the host.

A backend overrides them with its library's own. The error function and its kin are in `error_function`.
"""

from __future__ import annotations

from typing import Any

from kusari.backend import Backend, kernel
from kusari.types import Array


def _by_scipy(backend: Backend, name: str, like: Array, *arrays: Array) -> Array:
    """Return SciPy's function of that name, in the dtype of ``like``: SciPy itself widens 16-bit ones.

    Raises:
        ImportError: SciPy is not installed.
    """
    try:
        from scipy import special
    except ImportError:
        raise ImportError(
            f"{name}() needs SciPy on a backend that has no such kernel: pip install kusari[scipy]"
        ) from None
    y: Any = getattr(special, name)(*arrays)
    return backend.xp.astype(backend.xp.asarray(y), like.dtype, copy=False)


@kernel(host=True)
def erfinv(backend: Backend, x: Array) -> Array:
    """The y with erf(y) = x."""
    return _by_scipy(backend, "erfinv", x, x)


@kernel(host=True)
def erfcinv(backend: Backend, x: Array) -> Array:
    """The y with erfc(y) = x."""
    return _by_scipy(backend, "erfcinv", x, x)


@kernel(host=True)
def lgamma(backend: Backend, x: Array) -> Array:
    """ln |Γ(x)|."""
    return _by_scipy(backend, "gammaln", x, x)


@kernel(host=True)
def digamma(backend: Backend, x: Array) -> Array:
    """Γ′(x) / Γ(x)."""
    return _by_scipy(backend, "digamma", x, x)


@kernel(host=True)
def ndtri(backend: Backend, x: Array) -> Array:
    """The y with ndtr(y) = x."""
    return _by_scipy(backend, "ndtri", x, x)


@kernel(host=True)
def polygamma(backend: Backend, n: Array, x: Array) -> Array:
    """The n-th derivative of digamma, of x > 0; ``n`` integers from 0, of a shape that broadcasts with x's."""
    return _by_scipy(backend, "polygamma", x, n, x)


@kernel(host=True)
def zeta(backend: Backend, x: Array, q: Array) -> Array:
    """Hurwitz's Σ (k + q)⁻ˣ for k = 0, 1, …; x > 1, and the shapes broadcast."""
    return _by_scipy(backend, "zeta", q, x, q)
