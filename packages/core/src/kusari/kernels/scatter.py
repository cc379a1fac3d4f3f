"""Scattering: sums of values that share a place, the gradient of every gather by index."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array


@kernel
def scatter_sum(backend: Backend, values: Array, index: Array, axis: int, length: int) -> Array:
    """y[…, m, …] = Σ values[…, k, …] over all k with index[k] = m, along ``axis``; 0 where there is none.

    ``index`` (K,) holds integers from 0 to ``length`` − 1, in any order; ``axis`` of ``values`` has length K, and
    ``length`` in the result. The transpose of ``xp.take(x, index, axis=axis)``.
    """
    xp = backend.xp
    rows, count = xp.moveaxis(values, axis, 0), values.shape[axis]
    places = xp.arange(length, dtype=index.dtype, device=index.device)
    if count == 0 or length == 0:
        empty = xp.zeros((length, *rows.shape[1:]), dtype=values.dtype, device=values.device)
        return xp.moveaxis(empty, 0, axis)
    order = xp.argsort(index)
    index, rows = xp.take(index, order), xp.take(rows, order, axis=0)
    # Runs of one index now lie together. Each row takes up the run's sum before it, in strides that double: log₂ K
    # passes, pairwise (float32 keeps 7 digits), the same order every time, and no NaN leaks from run to run as it would
    # from differences of one cumulative sum.
    step, lone = 1, (1,) * (rows.ndim - 1)
    while step < count:
        same = xp.reshape(index[step:] == index[:-step], (-1, *lone))
        rows[step:, ...] = rows[step:, ...] + xp.where(same, rows[:-step, ...], 0)
        step *= 2
    last = xp.maximum(xp.searchsorted(index, places, side="right") - 1, 0)
    found = xp.reshape(xp.take(index, last) == places, (-1, *lone))
    return xp.moveaxis(xp.where(found, xp.take(rows, last, axis=0), 0), 0, axis)


@kernel
def scatter_add(backend: Backend, x: Array, index: Array, values: Array, axis: int) -> Array:
    """x[…, m, …] + Σ values[…, k, …] over all k with index[k] = m, along ``axis``; x stays as it is.

    ``index`` (K,) holds integers from 0 to x.shape[axis] − 1, in any order, repeated or not.
    """
    return x + scatter_sum(backend, values, index, axis, x.shape[axis])


@kernel
def select_item_grad(backend: Backend, gy: Array, t: Array, classes: int) -> Array:
    """Zeros (N, ``classes``) with gy[n] at [n, t[n]]; gy (N,), t (N,) integers."""
    xp = backend.xp
    columns = xp.arange(classes, dtype=t.dtype, device=t.device)
    return xp.where(columns == xp.expand_dims(t, axis=1), xp.expand_dims(gy, axis=1), 0)
