"""Products with sparse matrices in coordinate form: (row, column, value) for each element that may differ from 0."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.kernels.scatter import scatter_sum
from kusari.types import Array


@kernel
def coo_matmul(backend: Backend, data: Array, row: Array, col: Array, dense: Array, rows: int) -> Array:
    """y[b, i, n] = Σ data[b, z] dense[b, k, n] over the z with row[b, z] = i and col[b, z] = k.

    Args:
        backend: The calling backend.
        data: (B, Z).
        row: (B, Z), integers; below 0: the element is padding.
        col: (B, Z), likewise.
        dense: (B, K, N).
        rows: I, the length of y (B, I, N).
    """
    xp, (batches, inner, width) = backend.xp, dense.shape
    present, row, col = _flat_places(backend, row, col, rows, inner)
    factors = xp.expand_dims(xp.where(present, xp.reshape(data, (-1,)), 0), axis=1)
    picked = xp.take(xp.reshape(dense, (batches * inner, width)), col, axis=0)
    terms = factors * xp.where(xp.expand_dims(present, axis=1), picked, 0)
    return xp.reshape(scatter_sum(backend, terms, row, 0, batches * rows), (batches, rows, width))


@kernel
def coo_sample(backend: Backend, left: Array, right: Array, row: Array, col: Array) -> Array:
    """y[b, z] = Σ left[b, row[b, z], n] right[b, col[b, z], n] over n; 0 for padding.

    left (B, I, N), right (B, K, N); row and col (B, Z), below 0 for padding. The gradient of `coo_matmul`'s data.
    """
    xp, (batches, rows, width), inner = backend.xp, left.shape, right.shape[1]
    present, flat_row, flat_col = _flat_places(backend, row, col, rows, inner)
    a = xp.take(xp.reshape(left, (batches * rows, width)), flat_row, axis=0)
    b = xp.take(xp.reshape(right, (batches * inner, width)), flat_col, axis=0)
    return xp.reshape(xp.where(present, xp.vecdot(a, b), 0), row.shape)


@kernel
def coo_to_dense(backend: Backend, data: Array, row: Array, col: Array, rows: int, columns: int) -> Array:
    """y[b, i, k] = Σ data[b, z] over the z with row[b, z] = i and col[b, z] = k; (B, rows, columns)."""
    xp, batches = backend.xp, data.shape[0]
    present, flat_row, flat_col = _flat_places(backend, row, col, rows, 0)
    terms = xp.where(present, xp.reshape(data, (-1,)), 0)
    y = scatter_sum(backend, terms, flat_row * columns + flat_col, 0, batches * rows * columns)
    return xp.reshape(y, (batches, rows, columns))


@kernel
def nonzero_places(backend: Backend, x: Array, columns: int, width: int) -> tuple[Array, Array, Array]:
    """The first ``width`` elements of x (…, rows · columns) that differ from 0: they, their rows, their columns.

    Where there are fewer, 0, −1 and −1 follow; rows and columns are int32.
    """
    xp, room = backend.xp, x.shape[-1]
    # A stable sort of the test brings what differs from 0 to the front, in order.
    place = xp.argsort(xp.astype(x == 0, xp.int8), axis=-1, stable=True)[..., : min(width, room)]
    value = xp.take_along_axis(x, place, axis=-1)
    present = value != 0
    parts = (
        value,
        xp.where(present, xp.floor_divide(place, columns), -1),
        xp.where(present, xp.remainder(place, columns), -1),
    )
    found = []
    for part, dtype, fill in zip(parts, (x.dtype, xp.int32, xp.int32), (0, -1, -1), strict=True):
        rest = xp.full((*x.shape[:-1], max(width - room, 0)), fill, dtype=dtype, device=x.device)
        found.append(xp.concat((xp.astype(part, dtype), rest), axis=-1))
    return found[0], found[1], found[2]


def _flat_places(backend: Backend, row: Array, col: Array, rows: int, inner: int) -> tuple[Array, Array, Array]:
    """Return which elements are no padding, and their places where the batch's matrices lie below each other."""
    xp = backend.xp
    present = (row >= 0) & (col >= 0)
    batch = xp.reshape(xp.arange(row.shape[0], dtype=xp.int64, device=row.device), (-1, 1))
    flat = (
        xp.reshape(xp.where(present, xp.astype(place, xp.int64), 0) + batch * length, (-1,))
        for place, length in ((row, rows), (col, inner))
    )
    return (xp.reshape(present, (-1,)), *flat)
