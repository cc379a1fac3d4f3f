"""Matrix products by tiles in vector registers, on the threads of our pool."""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU, Activation
from kusari.kernels.linear import linear, linear_gradients, product
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution.channels_last import transposed
from kusari_numpy.pieces import share
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, workspace

HostArray = np.ndarray[Any, Any]

SMALLEST: Final = 2**18
"""Below so many multiplications BLAS uses one thread, and is as fast."""
FEWEST: Final = 32
"""With fewer rows or columns on either side packing takes as long as multiplying."""
PIECE: Final = 2**21
"""Multiplications in a piece of work, at least: 0.05 ms."""
PIECES: Final = 2
"""For each thread, at most; but more where they are large. How a product is cut up does not show in its numbers: each
is one sum, in one order. With four for each thread an MLP's step takes 3 % longer."""
LARGE_PIECE: Final = 2**27
"""Multiplications in a large piece: 2 ms."""
FEWEST_ROWS: Final = 48
"""In a piece, at least: each packs its panels."""
FEWEST_OF_MANY: Final = 256
"""In a piece, where they are large."""
MOVED: Final = 12
"""Multiplications in the time of packing a number."""
TURNED: Final = 1.15
"""What a product that must be transposed takes more than these say: (100, 1000) by (1000, 1000) 1.21 ms, not 1.13."""


def tiles_product(backend: Backend, a: HostArray, b: HostArray) -> HostArray:
    """Return a b by tiles, and by the portable definition where numbers or columns are few.

    BLAS's own threads wait for the next product by spinning, and take the cores from the threads of the kernels in
    between: a step of an LSTM, a third of whose time goes to large products, took 540 ms with BLAS for these alone, and
    470 without it, though it multiplies as fast.
    """
    if not _wanted(a, b):
        return product.portable(backend, a, b)
    left, right = Matrix.of(a), Matrix.of(b)
    if not left.cut(right).better_turned:
        return _multiply(left, right)
    return transposed(_multiply(right.turned, left.turned, "turned product")[None])[0]


def tiles_linear(
    backend: Backend, x: HostArray, W: HostArray, b: HostArray | None, activation: Activation | None = None
) -> HostArray:
    """Return activation(x Wᵀ + b): tiles add b before they are written, and apply ReLU."""
    if not _wanted(x, W.T) or (b is not None and b.dtype != x.dtype):
        portable: Any = linear.portable(backend, x, W, b, activation)
        return portable
    left, right = Matrix.of(x), Matrix.of(W.T)
    if left.cut(right).better_turned:
        y = tiles_product(backend, x, W.T)
        if b is not None:
            y += b
    else:
        y = _multiply(left, right, bias=b, rectify=activation == RELU)
        if activation == RELU:
            return y
    activated: Any = y if activation is None else activation.apply(backend, y)
    return activated


def linear_gradients_in_passes(
    backend: Backend,
    x: HostArray,
    W: HostArray,
    y: HostArray | None,
    gy: HostArray,
    wanted: tuple[bool, bool, bool],
    activation: Activation | None = None,
) -> tuple[HostArray | None, HostArray | None, HostArray | None]:
    """Return the gradients of (x, W, b) that are wanted: through ReLU and to b in one pass over gy."""
    gb = None
    if activation == RELU and wanted[2] and y is not None and gy.size and gy.dtype in (np.float32, np.float64):
        from kusari_numpy.compiled.rows import rectified_and_summed

        g, gb = aligned_empty(gy.shape, gy.dtype), np.empty(gy.shape[1:], gy.dtype)
        rectified_and_summed(np.ascontiguousarray(y), np.ascontiguousarray(gy), g, gb)
        gy, wanted, activation = g, (*wanted[:2], False), None
    made: Any = linear_gradients.portable(backend, x, W, y, gy, wanted, activation)
    return made[0], made[1], made[2] if gb is None else gb


def _wanted(a: HostArray, b: HostArray) -> bool:
    if not (a.ndim == b.ndim == 2 and a.dtype == b.dtype and a.dtype in (np.float32, np.float64)):
        return False
    (rows, depth), columns = a.shape, b.shape[1]
    return a.dtype.isnative and min(rows, columns) >= FEWEST and rows * depth * columns >= SMALLEST


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

    def cut(self, b: Matrix) -> Cut:
        """Return how the product with a matrix is computed."""
        return _cut((self.shape, self.steps), (b.shape, b.steps), self.flat.dtype, pool().size)


Form = tuple[tuple[int, int], tuple[int, int]]
"""A matrix's shape and steps."""


class Cut(NamedTuple):
    """How a product is computed: what of it does not depend on numbers."""

    better_turned: bool
    """The transposed product, which must be transposed then, takes less."""
    parts: HostArray
    """See `_parts`."""
    columns: int
    """In whole vectors."""
    scratch: tuple[int, int]
    """Numbers of packed panels, and of turned rows, that a thread has."""


@functools.lru_cache(maxsize=1024)
def _cut(a: Form, b: Form, dtype: np.dtype[Any], threads: int) -> Cut:
    from kusari_numpy.compiled.panels import ROWS
    from kusari_numpy.compiled.product import DEEPEST, HELD, PACKED
    from kusari_numpy.compiled.vectors import WIDEST, whole

    ((rows, depth), (_, step)), ((_, columns), _) = a, b
    turned = _cost((b[0][::-1], b[1][::-1]), (a[0][::-1], a[1][::-1]), dtype) + MOVED * rows * columns
    padded = whole(columns, dtype)
    parts = _parts(rows, -(-padded // whole(1, dtype) // WIDEST), rows * depth * columns, threads, by_panels=step == 1)
    scratch = HELD if step == 1 else PACKED, ROWS * DEEPEST
    return Cut(_cost(a, b, dtype) > TURNED * turned, np.array(parts, np.int64), padded, scratch)


def _cost(a: Form, b: Form, dtype: np.dtype[Any]) -> float:
    """Return how long a b takes, in multiplications: tiles are whole, and a with dense columns is transposed first."""
    from kusari_numpy.compiled.vectors import REGISTERS, WIDEST, whole

    ((rows, depth), (_, step)), ((_, made), _) = a, b
    columns = whole(made, dtype)
    height = REGISTERS.rows[min(WIDEST, columns // whole(1, dtype)) - 1]
    moved = depth * made + (0 if step == 1 else rows * depth)
    return -(-rows // height) * height * depth * columns + MOVED * moved


def _multiply(
    a: Matrix, b: Matrix, slot: str | None = None, bias: HostArray | None = None, rectify: bool = False
) -> HostArray:
    """Return max(a b + bias, 0), or without the maximum; in scratch memory if there is a slot for it."""
    from kusari_numpy.compiled.product import multiply_parts

    size, dtype, cut = (a.shape[0], b.shape[1]), a.flat.dtype, a.cut(b)
    y = aligned_empty(size, dtype) if slot is None else workspace(slot, size, dtype)
    shift = np.zeros(cut.columns, dtype)
    if bias is not None:
        shift[: size[1]] = bias
    threads = pool().sharing(len(cut.parts))
    packed = workspace("panels", (threads, cut.scratch[0]), dtype)
    turned = workspace("turned rows", (threads, cut.scratch[1]), dtype)
    finish = shift, dtype.type(0 if rectify else -np.inf), cut.parts, packed, turned
    operands = a.flat, a.steps, b.flat, b.steps, y.reshape(-1), (a.shape[1], size[1])
    pool().take_turns(multiply_parts, (*operands, *finish), threads)
    return y


class Packed:
    """A matrix (K, N) for many products: its panels are packed once, and stream by from then on.

    20 rows by (650, 2600) take 0.9 ms on two threads, BLAS 2.0, which packs the matrix each time.
    """

    def __init__(self, matrix: HostArray) -> None:
        from kusari_numpy.compiled.product import pack_all
        from kusari_numpy.compiled.vectors import WIDEST, whole

        b = Matrix.of(matrix)
        self.shape = b.shape
        lanes = whole(1, matrix.dtype)
        padded = whole(b.shape[1], matrix.dtype)
        self._panels = -(-padded // (lanes * WIDEST))
        self._memory = aligned_empty((b.shape[0] * padded,), matrix.dtype)
        size = b.shape[0] * lanes * WIDEST
        share(lambda first, last: pack_all(b.flat, b.steps, b.shape, first, last, self._memory), self._panels, size)

    def times(self, rows: HostArray) -> HostArray:
        """Return the product of rows (M, K) and the matrix."""
        from kusari_numpy.compiled.product import multiply_packed

        y = aligned_empty((len(rows), self.shape[1]), rows.dtype)
        pieces = min(_wanted_pieces(y.size * self.shape[0], pool().size), self._panels)
        a, result = np.ascontiguousarray(rows).reshape(-1), y.reshape(-1)

        def work(piece: int) -> None:
            part = piece * self._panels // pieces, (piece + 1) * self._panels // pieces
            multiply_packed(a, self.shape[0], self._memory, result, self.shape, part)

        pool().run(work, pieces)
        return y


def _wanted_pieces(multiplications: int, threads: int) -> int:
    return max(1, min(PIECES * threads, multiplications // PIECE), multiplications // LARGE_PIECE)


def _parts(
    rows: int, panels: int, multiplications: int, threads: int, by_panels: bool
) -> list[tuple[int, int, int, int]]:
    """Return ranges of rows and panels that make up all.

    Each packs the panels that it has; where rows are transposed on the way, it is they that should be in one piece.
    """
    wanted = _wanted_pieces(multiplications, threads)
    cuts = rows // (FEWEST_ROWS if wanted <= PIECES * threads else FEWEST_OF_MANY)
    if by_panels:
        across = min(panels, wanted)
        down = max(1, min(wanted // across, cuts))
    else:
        down = max(1, min(wanted, cuts))
        across = min(panels, wanted // down)
    return [
        (rows * i // down, rows * (i + 1) // down, panels * j // across, panels * (j + 1) // across)
        for j in range(across)
        for i in range(down)
    ]


def register(backend: Backend) -> None:
    """Register the overrides."""
    backend.implements(product, available=compiled_available)(tiles_product)  # type: ignore[arg-type]
    backend.implements(linear, available=compiled_available)(tiles_linear)  # type: ignore[arg-type]
    backend.implements(linear_gradients, available=compiled_available)(linear_gradients_in_passes)  # type: ignore[arg-type]
