"""Reductions that are no function of the array module by themselves, and sums that keep 16-bit numbers' digits."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.dtypes import is_floating
from kusari.types import Array, Shape


@kernel
def logsumexp(backend: Backend, x: Array, axis: Shape) -> Array:
    """ln Σ eˣ over axes: m + ln Σ e^(x − m), where m is the largest value."""
    xp = backend.xp
    m = backend.as_array(xp.max(x, axis=axis), x)
    # ∞ − ∞ is NaN: an infinite m stays where it is, and what it gives (e^−∞ = 0, e^∞ = ∞) is added to it.
    kept = tuple([1 if place in axis else length for place, length in enumerate(x.shape)])
    finite = xp.reshape(xp.where(xp.isfinite(m), m, 0), kept)
    total = backend.as_array(xp.sum(xp.exp(x - finite), axis=axis), x)
    y: Array = m + xp.log(xp.where(total == 0, 1, total))
    return y


def total(backend: Backend, x: Array, axis: int | Shape | None = None, keepdims: bool = False) -> Array:
    """Return the sum over axes in x's dtype, of 16-bit floating numbers by way of float32.

    Added up in their own dtype, ones would come no further than 256 in bfloat16, and 2048 in float16.
    """
    xp, dtype = backend.xp, backend.host_dtype(x.dtype)
    if dtype.itemsize > 2 or not is_floating(dtype):
        return xp.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)
    wide = backend.as_array(xp.sum(x, axis=axis, keepdims=keepdims, dtype=xp.float32), x)
    return xp.astype(wide, x.dtype)


def average(backend: Backend, x: Array, axis: int | Shape | None = None, keepdims: bool = False) -> Array:
    """Return the mean over axes in x's dtype, of 16-bit numbers by way of float32."""
    xp = backend.xp
    if backend.host_dtype(x.dtype).itemsize > 2:
        return xp.mean(x, axis=axis, keepdims=keepdims)
    wide = backend.as_array(xp.mean(xp.astype(x, xp.float32), axis=axis, keepdims=keepdims), x)
    return xp.astype(wide, x.dtype)
