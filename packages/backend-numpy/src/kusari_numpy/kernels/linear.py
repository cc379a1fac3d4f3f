"""Matrix products, shared out to the threads of all kernels, and the affine map with what follows it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU, Activation
from kusari.kernels.linear import linear, product
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.threads import pool

HostArray = np.ndarray[Any, Any]

SMALLEST: Final = 2**23
"""Multiplications, below which a product is not worth sharing: 80 µs."""
PIECES: Final = 4
"""Of a product, whatever the number of threads: the sums do not vary."""
NARROWEST: Final = 64
"""Rows or columns of a piece, at least: BLAS slows down below."""


def multiply(backend: Backend, a: HostArray, b: HostArray) -> HostArray:
    """Return a b, by pieces of its columns or rows, each computed by BLAS on one thread.

    BLAS has threads of its own, but two pools that do not know of each other fight for the cores: going to sleep and
    waking up between kernels and products cost more than the products.
    """
    if not _worth_sharing(a, b):
        made: HostArray = product.portable(backend, a, b)
        return made
    return _multiply(a, b, None, False)


def affine(
    backend: Backend, x: HostArray, W: HostArray, b: HostArray | None, activation: Activation | None = None
) -> HostArray:
    """Return activation(x Wᵀ + b); bias and ReLU are applied to each piece while it is in cache."""
    if not _worth_sharing(x, W.T) or (b is not None and b.dtype != x.dtype):
        made: HostArray = linear.portable(backend, x, W, b, activation)
        return made
    y = _multiply(x, W.T, b, activation == RELU)
    if activation is None or activation == RELU:
        return y
    activated: Any = activation.apply(backend, y)
    return activated


def _worth_sharing(a: HostArray, b: HostArray) -> bool:
    """Tell whether two matrices are of a dtype that BLAS knows, and large enough."""
    return (
        a.ndim == b.ndim == 2
        and a.dtype == b.dtype
        and a.dtype in (np.float32, np.float64)
        and a.size * b.shape[1] >= SMALLEST
    )


def _multiply(a: HostArray, b: HostArray, shift: HostArray | None, rectify: bool) -> HostArray:
    """Return a b + shift, rectified or not."""
    rows, columns = len(a), b.shape[1]
    y = np.empty((rows, columns), a.dtype)
    count = max(1, min(PIECES, max(rows, columns) // NARROWEST))
    everything = slice(None)

    def work(piece: int) -> None:
        of_rows, of_columns = everything, everything
        if rows >= columns:
            of_rows = slice(rows * piece // count, rows * (piece + 1) // count)
        else:
            of_columns = slice(columns * piece // count, columns * (piece + 1) // count)
        part = y[of_rows, of_columns]
        np.matmul(a[of_rows], b[:, of_columns], out=part)
        if shift is not None:
            part += shift[of_columns]
        if rectify:
            np.maximum(part, 0, out=part)

    pool().run(work, count)
    return y


def register(backend: Backend) -> None:
    """Register the overrides of matrix products."""
    backend.implements(product, available=compiled_available)(multiply)  # type: ignore[arg-type]
    backend.implements(linear, available=compiled_available)(affine)  # type: ignore[arg-type]
