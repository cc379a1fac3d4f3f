"""Rows of a table, looked up by number, and the gradient."""

from __future__ import annotations

import math

from kusari.backend import Backend, kernel
from kusari.kernels.scatter import scatter_sum
from kusari.types import Array


@kernel
def embed(backend: Backend, x: Array, W: Array, ignore_label: int | None) -> Array:
    """y[…, :] = W[x[…], :], 0 where x is ``ignore_label``; x (…) integers from −V to V − 1, W (V, D)."""
    xp = backend.xp
    y = xp.reshape(xp.take(W, _rows(backend, x, W.shape[0], ignore_label), axis=0), (*x.shape, W.shape[1]))
    return y if ignore_label is None else xp.where(xp.expand_dims(x == ignore_label, axis=-1), 0, y)


@kernel
def embed_grad(backend: Backend, x: Array, gy: Array, length: int, ignore_label: int | None) -> Array:
    """gW[v, :] = Σ gy[…, :] over all places with x = v, except ``ignore_label``; gW (``length``, D)."""
    xp = backend.xp
    if ignore_label is not None:
        gy = xp.where(xp.expand_dims(x == ignore_label, axis=-1), 0, gy)
    gy = xp.reshape(gy, (math.prod(x.shape), gy.shape[-1]))
    return scatter_sum(backend, gy, _rows(backend, x, length, ignore_label), 0, length)


def _rows(backend: Backend, x: Array, length: int, ignore_label: int | None) -> Array:
    """Return the rows' numbers (K,) from 0; that of any row where x is to be ignored."""
    xp = backend.xp
    x = xp.astype(xp.reshape(x, (-1,)), xp.int64)
    rows = xp.where(x < 0, x + length, x)
    return rows if ignore_label is None else xp.where(x == ignore_label, 0, rows)
