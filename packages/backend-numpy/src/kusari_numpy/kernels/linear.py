"""Affine maps: products by tiles that add the bias and apply ReLU, and both gradients in one call of all threads."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU, Activation
from kusari.kernels.linear import linear, linear_gradients, product
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.products import Matrix, Product, multiplied, scratch
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty

HostArray = np.ndarray[Any, Any]
Gradients = tuple[HostArray | None, HostArray | None, HostArray | None]
"""Of (x, W, b)."""

SMALLEST: Final = 2**18
"""Below so many multiplications BLAS uses one thread, and is as fast."""
FEWEST: Final = 32
"""With fewer rows or columns on either side packing takes as long as multiplying, and BLAS is as fast."""
LARGE: Final = 2**22
"""So many multiplications BLAS shares among threads, which takes it long: 16 rows by (1000, 1000) 1.3 ms, tiles 0.6."""
FEWEST_OF_LARGE: Final = 16
FEWEST_TOGETHER: Final = 8
"""Rows and columns of gradients that are computed in one call: 10 classes of 100 images, 1000 numbers each, take 1.3
times as long by tiles as by BLAS when that is all there is to do, but a step of an MLP takes 2 % less."""
FEWEST_BY_DOTS: Final = 4, 2**20
"""Rows, and multiplications: 8 rows by the columns of (1000, 1000) take BLAS 1.3 ms, and dots 0.35."""

ROWS: Final = 32
"""Of gradients that a thread sums at a time."""


def tiles_product(backend: Backend, a: HostArray, b: HostArray) -> HostArray:
    """Return a b by tiles, and by the portable definition where numbers or columns are few.

    BLAS's own threads wait for the next product by spinning, and take the cores from the threads of the kernels in
    between: a step of an LSTM, a third of whose time goes to large products, took 540 ms with BLAS for these alone, and
    470 without it, though it multiplies as fast.
    """
    if not _wanted(a, b):
        return product.portable(backend, a, b)
    return multiplied(Matrix.of(a), Matrix.of(b))


def tiles_linear(
    backend: Backend, x: HostArray, W: HostArray, b: HostArray | None, activation: Activation | None = None
) -> HostArray:
    """Return activation(x Wᵀ + b): tiles add b before they are written, and apply ReLU."""
    if not _wanted(x, W.T) or (b is not None and b.dtype != x.dtype):
        portable: Any = linear.portable(backend, x, W, b, activation)
        return portable
    y = multiplied(Matrix.of(x), Matrix.of(W.T), b, activation == RELU)
    if activation is None or activation == RELU:
        return y
    activated: Any = activation.apply(backend, y)
    return activated


def linear_gradients_together(
    backend: Backend,
    x: HostArray,
    W: HostArray,
    y: HostArray | None,
    gy: HostArray,
    wanted: tuple[bool, bool, bool],
    activation: Activation | None = None,
) -> Gradients:
    """Return the gradients of (x, W, b) that are wanted; all three, and ReLU's, in one call of all threads.

    They take 0.93 to 1 of the time of one call for each: (100, 784) and 1000, (100, 1000) and 1000.
    """
    products_wanted = [_wanted(gy.T, x, FEWEST_TOGETHER), not wanted[0] or _wanted(gy, W, FEWEST_TOGETHER)]
    if not wanted[1] or not all(products_wanted) or activation not in (None, RELU):
        made: Any = linear_gradients.portable(backend, x, W, y, gy, wanted, activation)
        return made
    from kusari_numpy.compiled.linear import gradients

    gy = np.ascontiguousarray(gy)
    if activation is None:
        y = gy
    else:
        assert y is not None
        y = np.ascontiguousarray(y)
    g = gy if y is gy else aligned_empty(gy.shape, gy.dtype)
    sums = np.zeros((-(-len(gy) // ROWS), gy.shape[1]), gy.dtype)
    through = Matrix.of(g)
    gW = Product(through.turned, Matrix.of(x))
    gx = Product(through, Matrix.of(W)) if wanted[0] else None
    products = (gW,) if gx is None else (gW, gx)
    threads = pool().sharing(sum(len(each.parts) for each in products))
    operands = [each.operands for each in products]
    pool().take_turns(gradients, (y, gy, g, sums, y is not gy, tuple(operands), *scratch(threads, *products)), threads)
    return None if gx is None else gx.result(), gW.result(), sums[0] if wanted[2] else None


def _wanted(a: HostArray, b: HostArray, fewest: int = FEWEST) -> bool:
    """Tell whether a product is worth our threads."""
    if not (a.ndim == b.ndim == 2 and a.dtype == b.dtype and a.dtype in (np.float32, np.float64)):
        return False
    (rows, depth), columns = a.shape, b.shape[1]
    few, size = min(rows, columns), rows * depth * columns
    if size < SMALLEST or not a.dtype.isnative:
        return False
    if few >= fewest or (few >= FEWEST_OF_LARGE and size >= LARGE):
        return True
    rows_by_dots, size_by_dots = FEWEST_BY_DOTS
    along = a.flags.c_contiguous and b.flags.f_contiguous and columns >= FEWEST
    return along and rows >= rows_by_dots and size >= size_by_dots


def register(backend: Backend) -> None:
    """Register the overrides."""
    backend.implements(product, available=compiled_available)(tiles_product)  # type: ignore[arg-type]
    backend.implements(linear, available=compiled_available)(tiles_linear)  # type: ignore[arg-type]
    backend.implements(linear_gradients, available=compiled_available)(linear_gradients_together)  # type: ignore[arg-type]
