"""Matrix products by tiles in vector registers: how they are cut up, for the threads of our pool."""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

import numpy as np

from kusari_numpy.convolution.channels_last import transposed
from kusari_numpy.pieces import ranges, share_loop
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, workspace

HostArray = np.ndarray[Any, Any]

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
ENDED: Final = 80
"""Multiplications in the time of adding up the lanes of a sum."""


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
    by_dots: HostArray | None
    """Parts for `multiply_dots`, where that takes still less."""
    parts: HostArray
    """For `multiply_parts`."""
    columns: int
    """In whole vectors."""
    scratch: tuple[int, int]
    """Numbers of packed panels, and of turned rows, that a thread has."""


@functools.lru_cache(maxsize=1024)
def _cut(a: Form, b: Form, dtype: np.dtype[Any], threads: int) -> Cut:
    from kusari_numpy.compiled.dots import HEIGHT, WIDTH
    from kusari_numpy.compiled.panels import ROWS
    from kusari_numpy.compiled.product import DEEPEST, HELD, PACKED
    from kusari_numpy.compiled.vectors import WIDEST, whole

    ((rows, depth), (_, step)), ((_, columns), (dense, _)) = a, b
    turned = _cost((b[0][::-1], b[1][::-1]), (a[0][::-1], a[1][::-1]), dtype) + MOVED * rows * columns
    straight = _cost(a, b, dtype)
    padded, size = whole(columns, dtype), rows * depth * columns
    parts = _parts(rows, -(-padded // whole(1, dtype) // WIDEST), size, threads, by_panels=step == 1)
    by_dots = None
    dots = rows * columns * (whole(depth, dtype) + ENDED)
    if step == dense == 1 and rows >= HEIGHT and columns >= WIDTH and dots < min(straight, TURNED * turned):
        by_dots = np.array(_parts_for_dots(rows, columns, _wanted_pieces(size, threads)), np.int64)
    scratch = HELD if step == 1 else PACKED, ROWS * DEEPEST
    return Cut(straight > TURNED * turned, by_dots, np.array(parts, np.int64), padded, scratch)


def _parts_for_dots(rows: int, columns: int, wanted: int) -> list[tuple[int, int, int, int]]:
    """Return ranges of columns, of which each is read once; and of rows, where columns are few."""
    from kusari_numpy.compiled.dots import HEIGHT, WIDTH

    across = max(1, min(wanted, columns // (4 * WIDTH)))
    down = max(1, min(wanted // across, rows // (4 * HEIGHT)))
    return [(*lines, *sides) for sides in ranges(columns, across) for lines in ranges(rows, down)]


def _cost(a: Form, b: Form, dtype: np.dtype[Any]) -> float:
    """Return how long a b takes, in multiplications: tiles are whole, and a with dense columns is transposed first."""
    from kusari_numpy.compiled.vectors import REGISTERS, WIDEST, whole

    ((rows, depth), (_, step)), ((_, made), _) = a, b
    columns = whole(made, dtype)
    height = REGISTERS.rows[min(WIDEST, columns // whole(1, dtype)) - 1]
    moved = depth * made + (0 if step == 1 else rows * depth)
    return -(-rows // height) * height * depth * columns + MOVED * moved


def multiplied(a: Matrix, b: Matrix, bias: HostArray | None = None, rectify: bool = False) -> HostArray:
    """Return a b + bias, or the larger of that and 0.

    Args:
        a: (M, K).
        b: (K, N).
        bias: (N,), or None.
        rectify: Take the maximum.
    """
    from kusari_numpy.compiled.dots import multiply_dots

    parts = a.cut(b).by_dots
    if parts is None:
        return Product(a, b, bias, rectify).computed()
    y, shift = aligned_empty((a.shape[0], b.shape[1]), a.flat.dtype), _shift(bias, b.shape[1], a.flat.dtype)
    size, floor = (a.shape[1], b.shape[1]), _floor(rectify, y.dtype)
    operands = a.flat, a.steps[0], b.flat, b.steps[1], y.reshape(-1), size, shift, floor, parts
    pool().take_turns(multiply_dots, operands, pool().sharing(len(parts)))
    return y


class Product:
    """A product by tiles, ready to be computed by all threads; ``operands`` is what `multiply_parts` takes.

    Args:
        a: See `multiplied`.
        b: Likewise.
        bias: Likewise.
        rectify: Likewise.
    """

    def __init__(self, a: Matrix, b: Matrix, bias: HostArray | None = None, rectify: bool = False) -> None:
        cut = a.cut(b)
        self._then: tuple[HostArray | None, bool] | None = None
        if cut.better_turned:
            a, b = b.turned, a.turned
            cut = a.cut(b)
            self._then, bias, rectify = (bias, rectify), None, False
        size, dtype = (a.shape[1], b.shape[1]), a.flat.dtype
        self._made = aligned_empty((a.shape[0], b.shape[1]), dtype)
        self.parts, self.scratch = cut.parts, cut.scratch
        finish = _shift(bias, cut.columns, dtype), _floor(rectify, dtype), cut.parts, cut.scratch[0]
        self.operands = (a.flat, a.steps, b.flat, b.steps, self._made.reshape(-1), size, *finish)

    def computed(self) -> HostArray:
        """Compute it."""
        from kusari_numpy.compiled.product import multiply_parts

        threads = pool().sharing(len(self.parts))
        pool().take_turns(multiply_parts, (self.operands, *scratch(threads, self)), threads)
        return self.result()

    def result(self) -> HostArray:
        """Return what was computed."""
        if self._then is None:
            return self._made
        bias, rectify = self._then
        y: HostArray = transposed(self._made[None])[0]
        if bias is not None:
            y += bias
        return np.maximum(y, 0, out=y) if rectify else y


def _shift(bias: HostArray | None, columns: int, dtype: np.dtype[Any]) -> HostArray:
    """Return a bias for so many columns."""
    if bias is None:
        return _nothing(columns, dtype)
    if len(bias) == columns:
        return np.ascontiguousarray(bias)
    shift = np.zeros(columns, dtype)
    shift[: len(bias)] = bias
    return shift


@functools.lru_cache(maxsize=256)
def _nothing(columns: int, dtype: np.dtype[Any]) -> HostArray:
    """Return zeros, which nobody writes to."""
    return np.zeros(columns, dtype)


def _floor(rectify: bool, dtype: np.dtype[Any]) -> Any:
    return dtype.type(0 if rectify else -np.inf)


def scratch(threads: int, *products: Product) -> tuple[HostArray, HostArray]:
    """Return memory for packed panels and for turned rows, a row for each thread."""
    dtype = products[0].operands[0].dtype
    packed, turned = (max(product.scratch[place] for product in products) for place in range(2))
    return workspace("panels", (threads, packed), dtype), workspace("turned rows", (threads, turned), dtype)


class Packed:
    """A matrix (K, N) for many products: its panels are packed once, and stream by from then on.

    20 rows by (650, 2600) take 0.9 ms on two threads, BLAS 2.0, which packs the matrix each time.
    """

    def __init__(self, matrix: HostArray) -> None:
        from kusari_numpy.compiled.product import pack_all_in_ranges
        from kusari_numpy.compiled.vectors import WIDEST, whole

        b = Matrix.of(matrix)
        self.shape = b.shape
        lanes = whole(1, matrix.dtype)
        padded = whole(b.shape[1], matrix.dtype)
        self._panels = -(-padded // (lanes * WIDEST))
        self._memory = aligned_empty((b.shape[0] * padded,), matrix.dtype)
        size = b.shape[0] * lanes * WIDEST
        share_loop(pack_all_in_ranges, (b.flat, b.steps, b.shape, self._memory), self._panels, size)

    def times(self, rows: HostArray) -> HostArray:
        """Return the product of rows (M, K) and the matrix."""
        from kusari_numpy.compiled.product import multiply_packed_parts

        y = aligned_empty((len(rows), self.shape[1]), rows.dtype)
        parts = min(_wanted_pieces(y.size * self.shape[0], pool().size), self._panels)
        a, result = np.ascontiguousarray(rows).reshape(-1), y.reshape(-1)
        operands = a, self.shape[0], self._memory, result, self.shape, self._panels, parts
        pool().take_turns(multiply_packed_parts, operands, pool().sharing(parts))
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
