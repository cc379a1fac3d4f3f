"""Products of dense rows with dense columns: all sums of a few rows and columns go along both at once.

Nothing is packed, and of a long matrix each number is read once from main memory: what `product` packs for (100, 784)
by (784, 1000) costs it a fifth of its time.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kusari_numpy.compiled.together import together
from kusari_numpy.compiled.turns import take
from kusari_numpy.compiled.vectors import REGISTERS, Writer, lanes_of, operands

HEIGHT: Final = 4 if REGISTERS.rows[-1] == 6 else 3
"""Rows of a."""
WIDTH: Final = 6 if REGISTERS.rows[-1] == 6 else 3
"""Columns of b: their sums with the rows, and a few numbers of both, fill the registers."""


class _Dots:
    """Writes the sums of a few rows and columns."""

    def __init__(self, writer: Writer, values: dict[str, Any]) -> None:
        self.writer, self.builder, self.value = writer, writer.builder, values
        self.rows = self._begins("at", "a_step", HEIGHT)
        self.columns = self._begins("start", "b_step", WIDTH)
        zero = writer.number(0)
        self.sums = [[cgutils.alloca_once_value(self.builder, zero) for _ in range(WIDTH)] for _ in range(HEIGHT)]

    def write(self) -> None:
        """Write all of it: y[target + i y_step + j] = max(bias[column + j] + Σ a[at + i a_step + k] b[…], floor)."""
        writer, builder, value = self.writer, self.builder, self.value
        self._go_along()
        totals = self._totals([builder.load(place) for row in self.sums for place in row])
        first = Writer(builder, writer.vector.element, writer.lanes, writer.first_lanes(writer.integer(WIDTH)))
        bias, floor = first.load(value["bias"], value["column"]), writer.spread(value["floor"])
        for i, target in enumerate(self._begins("target", "y_step", HEIGHT)):
            numbers = builder.fadd(self._lanes_from(totals, i * WIDTH), bias)
            first.store(writer.at_least(numbers, floor), value["y"], target)

    def _begins(self, first: str, step: str, count: int) -> list[Any]:
        """Return where rows begin."""
        steps = [self.builder.mul(self.value[step], self.writer.integer(number)) for number in range(count)]
        return [self.builder.add(self.value[first], each) for each in steps]

    def _go_along(self) -> None:
        """Sum vectors, and what is left of a row and a column at the end."""
        writer, builder, lanes = self.writer, self.builder, self.writer.integer(self.writer.lanes)
        depth = self.value["depth"]
        whole = builder.mul(builder.udiv(depth, lanes), lanes)
        with cgutils.for_range_slice(builder, writer.integer(0), whole, lanes) as (k, _):
            self._add(writer, k)
        left = builder.sub(depth, whole)
        with builder.if_then(builder.icmp_unsigned(">", left, writer.integer(0))):
            self._add(Writer(builder, writer.vector.element, writer.lanes, writer.first_lanes(left)), whole)

    def _add(self, reader: Writer, k: Any) -> None:
        """Add the products of a vector of each row and of each column."""
        across = [reader.load(self.value["b"], self.builder.add(begin, k)) for begin in self.columns]
        for begin, sums in zip(self.rows, self.sums, strict=True):
            row = reader.load(self.value["a"], self.builder.add(begin, k))
            for column, place in zip(across, sums, strict=True):
                self.builder.store(self.writer.multiply_add(row, column, self.builder.load(place)), place)

    def _totals(self, vectors: list[Any]) -> list[Any]:
        """Return the sums over each vector's lanes, one after the other: neighbours are added until one is left."""
        count = 2 * self.writer.lanes
        for _ in range(self.writer.lanes.bit_length() - 1):
            pairs = zip(vectors[::2], [*vectors[1::2], vectors[-1]], strict=False)
            vectors = [
                self.builder.fadd(*(self._shuffle(x, y, list(range(odd, count, 2))) for odd in range(2)))
                for x, y in pairs
            ]
        return vectors

    def _lanes_from(self, vectors: list[Any], first: int) -> Any:
        """Return a vector that begins with the lanes ``first`` to ``first`` + WIDTH of vectors side by side."""
        number, lane = divmod(first, self.writer.lanes)
        places = [min(lane + j, 2 * self.writer.lanes - 1) for j in range(self.writer.lanes)]
        return self._shuffle(vectors[number], vectors[min(number + 1, len(vectors) - 1)], places)

    def _shuffle(self, x: Any, y: Any, places: list[int]) -> Any:
        kind = ir.VectorType(ir.IntType(32), len(places))
        return self.builder.shuffle_vector(x, y, ir.Constant(kind, places))


@intrinsic
def _add_dots(
    typing: Any, a: Any, at: Any, a_step: Any, b: Any, start: Any, b_step: Any, depth: Any, y: Any, target: Any,
    y_step: Any, bias: Any, column: Any, floor: Any,
) -> Any:  # fmt: skip
    index = types.int64
    signature = types.void(a, index, index, b, index, index, index, y, index, index, bias, index, a.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        names = "a at a_step b start b_step depth y target y_step bias column floor"
        values = operands(context, builder, names, signature.args, arguments)
        _Dots(Writer(builder, context.get_value_type(a.dtype), lanes_of(a.dtype)), values).write()
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _fetch(typing: Any, b: Any, place: Any) -> Any:
    """Have the line of b that a place is in brought near."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = operands(context, builder, "b place", signature.args, arguments)
        writer = Writer(builder, context.get_value_type(b.dtype), lanes_of(b.dtype))
        writer.fetch(values["b"], values["place"], near=True)
        return context.get_dummy_value()

    return types.void(b, types.int64), generate


@together
def multiply_dots(
    a: Any, a_step: int, b: Any, b_step: int, y: Any, size: tuple[int, int], bias: Any, floor: Any, parts: Any,
    turns: Any,
) -> None:  # fmt: skip
    """Compute y = max(a b + bias, floor), of whose parts threads take one after the other.

    Args:
        a: (M, K), flat; at least HEIGHT rows.
        a_step: From one row to the next.
        b: (K, N), flat; at least WIDTH columns.
        b_step: From one column to the next.
        y: (M, N), flat.
        size: K and N.
        bias: (N,).
        floor: Nothing in y is below it.
        parts: The first row of y and that after the last, and likewise of columns: (parts, 4), none of them smaller
            than HEIGHT and WIDTH.
        turns: How many parts are taken.
    """
    depth, columns = size
    lanes = REGISTERS.bytes // a.itemsize
    number = take(turns, 0)
    while number < len(parts):
        top, bottom, left, right = parts[number]
        lines = -(-WIDTH * b_step // lanes // -(-(bottom - top) // HEIGHT))
        for begin in range(left, right, WIDTH):
            column = min(begin, right - WIDTH)
            coming = (column + WIDTH) * b_step  # the next columns' memory, some of it with every row
            for next_row in range(top, bottom, HEIGHT):
                row = min(next_row, bottom - HEIGHT)
                for _ in range(lines):
                    _fetch(b, coming)
                    coming += lanes
                _add_dots(
                    a, row * a_step, a_step, b, column * b_step, b_step, depth, y, row * columns + column, columns,
                    bias, column, floor,
                )  # fmt: skip
        number = take(turns, 0)
