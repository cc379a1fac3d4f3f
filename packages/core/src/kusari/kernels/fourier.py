"""Discrete Fourier transforms of pairs of real arrays: what the standard's optional extension `fft` has."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array


@kernel(extension="fft")
def fourier(backend: Backend, real: Array, imag: Array, inverse: bool) -> tuple[Array, Array]:
    """y[k] = Σ x[j] e^(−2πi jk / n) along the last axis; inverse: x back from y. float32 or float64, both parts."""
    xp = backend.xp
    x = real + imag * 1j
    y = xp.fft.ifft(x) if inverse else xp.fft.fft(x)
    return _parts(backend, y)


@kernel(extension="fft")
def fourier_adjoint(backend: Backend, real: Array, imag: Array, inverse: bool) -> tuple[Array, Array]:
    """x[j] = Σ y[k] e^(2πi jk / n): the gradients of `fourier`'s arguments, from those of its results.

    Of the inverse: Σ y[k] e^(−2πi jk / n) / n.
    """
    xp = backend.xp
    y = real + imag * 1j
    return _parts(backend, xp.fft.fft(y, norm="forward") if inverse else xp.fft.ifft(y, norm="forward"))


def _parts(backend: Backend, y: Array) -> tuple[Array, Array]:
    """Return the real and the imaginary part, dense: views would have gaps."""
    xp = backend.xp
    return xp.asarray(xp.real(y), copy=True), xp.asarray(xp.imag(y), copy=True)
