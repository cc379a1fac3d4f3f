"""Special functions by CuPy's own, in place of core's by way of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.backend import Backend
from kusari.kernels import special
from kusari.types import Array

if TYPE_CHECKING:
    from kusari_cupy.backend import CupyBackend


def _call(backend: Backend, name: str, like: Array, *arrays: Array) -> Array:
    """Return cupyx's function of that name, in the dtype of ``like``; it knows float32 and float64."""
    from cupyx.scipy import special as functions

    xp: Any = backend.xp
    wide = [xp.astype(a, xp.float32) if a.dtype.itemsize == 2 else a for a in arrays]
    return xp.astype(getattr(functions, name)(*wide), like.dtype, copy=False)


def erfinv(backend: Backend, x: Array) -> Array:
    """The y with erf(y) = x."""
    return _call(backend, "erfinv", x, x)


def erfcinv(backend: Backend, x: Array) -> Array:
    """The y with erfc(y) = x."""
    return _call(backend, "erfcinv", x, x)


def lgamma(backend: Backend, x: Array) -> Array:
    """ln |Γ(x)|."""
    return _call(backend, "gammaln", x, x)


def digamma(backend: Backend, x: Array) -> Array:
    """Γ′(x) / Γ(x)."""
    return _call(backend, "digamma", x, x)


def ndtri(backend: Backend, x: Array) -> Array:
    """The y with ndtr(y) = x."""
    return _call(backend, "ndtri", x, x)


def polygamma(backend: Backend, n: Array, x: Array) -> Array:
    """The n-th derivative of digamma, of x > 0, in double: its factors n! and ζ leave float32's range by n = 35."""
    xp: Any = backend.xp
    return _call(backend, "polygamma", x, xp.astype(n, xp.int64), xp.astype(x, xp.float64))


def zeta(backend: Backend, x: Array, q: Array) -> Array:
    """Hurwitz's Σ (k + q)⁻ˣ, in double: of float32's differences few digits are left near x = 1."""
    xp: Any = backend.xp
    return _call(backend, "zeta", q, xp.astype(x, xp.float64), xp.astype(q, xp.float64))


def register(backend: CupyBackend) -> None:
    """Override core's kernels."""
    backend.implements(special.erfinv)(erfinv)
    backend.implements(special.erfcinv)(erfcinv)
    backend.implements(special.lgamma)(lgamma)
    backend.implements(special.digamma)(digamma)
    backend.implements(special.ndtri)(ndtri)
    backend.implements(special.polygamma)(polygamma)
    backend.implements(special.zeta)(zeta)
