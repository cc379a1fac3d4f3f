"""Matrix products by tiles in vector registers, on the threads of our pool."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.kernels.linear import product
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.pieces import share
from kusari_numpy.threads import pool
from kusari_numpy.workspace import workspace

HostArray = np.ndarray[Any, Any]

SMALLEST: Final = 2**18
"""Below so many multiplications BLAS uses one thread, and is as fast."""
PIECE: Final = 2**21
"""Multiplications in a piece of work, at least: 0.05 ms."""
PIECES: Final = 8
"""At most, whatever the number of threads."""
ROWS: Final = 48
"""In a piece, at least: each packs its panels."""
MOVED: Final = 12
"""Multiplications in the time of packing a number."""
SHORTEST: Final = 32
"""Columns, at least, of what is transposed by squares."""


def tiles_product(backend: Backend, a: HostArray, b: HostArray) -> HostArray:
    """Return a b by tiles, where there is enough to do; the portable definition's does the rest.

    BLAS's own threads wait for the next product by spinning, and take the cores from the threads of the other kernels:
    an MLP's step of 14 ms takes 27 where another pool of threads works in between.
    """
    wanted = (
        a.ndim == b.ndim == 2
        and a.dtype == b.dtype
        and a.dtype in (np.float32, np.float64)
        and a.dtype.isnative
        and a.shape[0] * a.shape[1] * b.shape[1] >= SMALLEST
    )
    if not wanted:
        return product.portable(backend, a, b)
    left, right = Matrix.of(a), Matrix.of(b)
    if _cost(left, right) <= _cost(right.turned, left.turned) + MOVED * a.shape[0] * b.shape[1]:
        y = np.empty((a.shape[0], b.shape[1]), a.dtype)
        _multiply(left, right, y)
        return y
    turned = workspace("turned product", (b.shape[1], a.shape[0]), a.dtype)
    _multiply(right.turned, left.turned, turned)
    return _transposed(turned)


class Matrix(NamedTuple):
    """A matrix in flat memory, dense in one of its directions."""

    flat: HostArray
    shape: tuple[int, int]
    steps: tuple[int, int]
    """From one row to the next, and from one column to the next, in numbers."""

    @classmethod
    def of(cls, array: HostArray) -> Matrix:
        """Return an array's, which is copied where it has gaps."""
        rows, columns = array.shape
        if array.flags.c_contiguous:
            return cls(array.reshape(-1), (rows, columns), (columns, 1))
        if array.flags.f_contiguous:
            return cls(array.T.reshape(-1), (rows, columns), (1, rows))
        return cls.of(np.ascontiguousarray(array))

    @property
    def turned(self) -> Matrix:
        """The transposed matrix."""
        return Matrix(self.flat, self.shape[::-1], self.steps[::-1])


def _cost(a: Matrix, b: Matrix) -> float:
    """Return how long a b takes, in multiplications: tiles are whole, and a with dense columns is transposed first."""
    from kusari_numpy.compiled.vectors import REGISTERS, WIDEST, whole

    (rows, depth), columns = a.shape, whole(b.shape[1], a.flat.dtype)
    height = REGISTERS.rows[min(WIDEST, columns // whole(1, a.flat.dtype)) - 1]
    moved = depth * b.shape[1] + (0 if a.steps[1] == 1 else rows * depth)
    return -(-rows // height) * height * depth * columns + MOVED * moved


def _multiply(a: Matrix, b: Matrix, y: HostArray) -> None:
    from kusari_numpy.compiled.product import HELD, multiply
    from kusari_numpy.compiled.vectors import WIDEST, whole

    (rows, depth), columns = a.shape, b.shape[1]
    flat, pitch = a.flat, a.steps[0]
    if a.steps[1] != 1:
        flat = _transposed(a.flat.reshape(depth, rows), workspace("turned matrix", (rows, depth), y.dtype)).reshape(-1)
        pitch = depth
    panels = -(-columns // whole(1, y.dtype) // WIDEST)
    pieces = _pieces(rows, panels, rows * depth * columns)
    result = y.reshape(-1)

    def work(piece: int) -> None:
        packed = workspace("panels", (HELD,), y.dtype)
        multiply(flat, pitch, b.flat, b.steps, result, columns, depth, pieces[piece], packed)

    pool().run(work, len(pieces))


def _pieces(rows: int, panels: int, multiplications: int) -> list[tuple[int, int, int, int]]:
    """Return ranges of rows and panels that make up all."""
    wanted = max(1, min(PIECES, multiplications // PIECE))
    across = min(panels, wanted)
    down = max(1, min(wanted // across, rows // ROWS))
    return [
        (rows * i // down, rows * (i + 1) // down, panels * j // across, panels * (j + 1) // across)
        for j in range(across)
        for i in range(down)
    ]


def _transposed(x: HostArray, y: HostArray | None = None) -> HostArray:
    """Return the transposed matrix in dense memory."""
    from kusari_numpy.compiled.product import transpose
    from kusari_numpy.compiled.vectors import whole

    columns, rows = x.shape
    if y is None:
        y = np.empty((rows, columns), x.dtype)
    if columns < SHORTEST:
        np.copyto(y, x.T)
        return y
    source, target, lanes = x.reshape(-1), y.reshape(-1), whole(1, x.dtype)
    count = columns // lanes  # the last piece has what is left, too

    def work(first: int, last: int) -> None:
        transpose(source, rows, target, columns, first * lanes, columns if last == count else last * lanes, rows)

    share(work, count, rows * lanes)
    return y


def register(backend: Backend) -> None:
    """Register the override."""
    backend.implements(product, available=compiled_available)(tiles_product)  # type: ignore[arg-type]
