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
    return xp.asarray(xp.real(y), copy=True), xp.asarray(xp.imag(y), copy=True)  # views with gaps, else
