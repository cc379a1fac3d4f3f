"""A tile of a matrix product, kept in the processor's vector registers while everything that adds to it goes by.

All products of this backend's compiled convolutions end here. A tile is a few rows by a few vectors of columns, as many
as the registers hold; for each k one row of b is read, and each row's number of a is spread over a vector.

One thread, Cascade Lake, float32: 130–138 GFLOP/s where a and b are in the L2 cache; OpenBLAS 95–113, and half of that
for 64×64 filters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kusari_numpy.compiled.options import inlined
from kusari_numpy.compiled.vectors import REGISTERS, WIDEST, Writer, lanes_of, operands


def _tile_of(vectors: int, within: bool) -> Any:
    """Return the intrinsic for tiles so many vectors wide; see `add_tile` and `add_tile_within`."""

    @intrinsic
    def tile(
        typing: Any,
        a: Any,
        rows: Any,
        row: Any,
        b: Any,
        start: Any,
        segments: Any,
        first: Any,
        last: Any,
        steps: Any,
        y: Any,
        targets: Any,
        column: Any,
        end: Any,
        bias: Any,
        floor: Any,
        add: Any,
    ) -> Any:
        index = types.int64
        signature = types.void(
            a, rows, index, b, index, segments, index, index, types.UniTuple(index, 2), y, targets, index, index,
            bias, a.dtype, types.boolean,
        )  # fmt: skip

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            names = "a rows row b start segments first last steps y targets column end bias floor add"
            values = operands(context, builder, names, signature.args, arguments)
            writer = Writer(builder, context.get_value_type(a.dtype), lanes_of(a.dtype))
            _Tile(writer, values, vectors, within).write()
            return context.get_dummy_value()

        return signature, generate

    return tile


class _Tile:
    """Writes the tile's loop."""

    def __init__(self, writer: Writer, values: dict[str, Any], vectors: int, within: bool) -> None:
        self.writer, self.builder, self.value = writer, writer.builder, values
        self.height, self.width = REGISTERS.rows[vectors - 1], vectors
        self.writers = [writer] * vectors
        """For each vector across."""
        if within:
            left = self.builder.sub(values["end"], self._right(values["column"], vectors - 1))
            self.writers[-1] = Writer(self.builder, writer.vector.element, writer.lanes, writer.first_lanes(left))

    def write(self) -> None:
        """Write all of it."""
        writer, builder, value = self.writer, self.builder, self.value
        sources = [self._entry("rows", row) for row in range(self.height)]
        targets = [builder.add(self._entry("targets", row), value["column"]) for row in range(self.height)]
        sums = [[cgutils.alloca_once(builder, writer.vector) for _ in range(self.width)] for _ in range(self.height)]
        with builder.if_else(value["add"]) as (adding, beginning):
            with adding:
                self._each(sums, lambda i, j: self.writers[j].load(value["y"], self._right(targets[i], j)))
            with beginning:
                bias = [writer.load(value["bias"], self._right(value["column"], j)) for j in range(self.width)]
                self._each(sums, lambda i, j: bias[j])
                self._fetch(targets)
        self._sum(sums, sources)
        floor = writer.spread(value["floor"])
        for i, row in enumerate(sums):
            for j, (place, each) in enumerate(zip(row, self.writers, strict=True)):
                total = writer.at_least(builder.load(place), floor)
                each.store(total, value["y"], self._right(targets[i], j))

    def _sum(self, sums: Any, sources: Any) -> None:
        """Add the products of all segments."""
        writer, builder, value = self.writer, self.builder, self.value
        a_step, b_step = (builder.extract_value(value["steps"], place) for place in range(2))
        with cgutils.for_range_slice(builder, value["first"], value["last"], writer.integer(1)) as (segment, _):
            in_a, in_b, length = (self._segment(segment, place) for place in range(3))
            places = [builder.add(source, in_a) for source in sources]
            in_b = builder.add(in_b, value["start"])
            with cgutils.for_range(builder, length) as loop:
                along = builder.mul(loop.index, a_step)
                row = builder.add(in_b, builder.mul(loop.index, b_step))
                vectors = [each.load(value["b"], self._right(row, j)) for j, each in enumerate(self.writers)]
                for place, accumulated in zip(places, sums, strict=True):
                    number = writer.spread(builder.load(builder.gep(value["a"], [builder.add(place, along)])))
                    for vector, total in zip(vectors, accumulated, strict=True):
                        builder.store(writer.multiply_add(number, vector, builder.load(total)), total)

    def _fetch(self, targets: Any) -> None:
        """Have memory for the sums at hand when they are made: layers of convolution take 2 % less, 6 at most."""
        for target in targets:
            for j in range(self.width):
                self.writer.fetch(self.value["y"], self._right(target, j), to_write=True)

    def _each(self, sums: Any, made: Callable[[int, int], Any]) -> None:
        for i, row in enumerate(sums):
            for j, place in enumerate(row):
                self.builder.store(made(i, j), place)

    def _right(self, place: Any, vectors: int) -> Any:
        """Return the place so many vectors further right."""
        return self.builder.add(place, self.writer.integer(vectors * self.writer.lanes))

    def _entry(self, table: str, row: int) -> Any:
        """Return the table's number for a row of the tile."""
        place = self.builder.add(self.value["row"], self.writer.integer(row))
        return self.builder.load(self.builder.gep(self.value[table], [place]))

    def _segment(self, segment: Any, place: int) -> Any:
        """Return one of the three numbers of a segment."""
        at = self.builder.add(self.builder.mul(segment, self.writer.integer(3)), self.writer.integer(place))
        return self.builder.load(self.builder.gep(self.value["segments"], [at]))


def _by_width(within: bool) -> Any:
    """Return `add_tile`, or `add_tile_within`."""
    tile_1, tile_2, tile_3, tile_4 = (_tile_of(vectors, within) for vectors in range(1, WIDEST + 1))

    @inlined
    def add(
        vectors: int, a: Any, rows: Any, row: int, b: Any, start: int, segments: Any, first: int, last: int,
        steps: tuple[int, int], y: Any, targets: Any, column: int, end: int, bias: Any, floor: Any, add: bool,
    ) -> None:  # fmt: skip
        if vectors == 4:
            tile_4(a, rows, row, b, start, segments, first, last, steps, y, targets, column, end, bias, floor, add)
        elif vectors == 3:
            tile_3(a, rows, row, b, start, segments, first, last, steps, y, targets, column, end, bias, floor, add)
        elif vectors == 2:
            tile_2(a, rows, row, b, start, segments, first, last, steps, y, targets, column, end, bias, floor, add)
        else:
            tile_1(a, rows, row, b, start, segments, first, last, steps, y, targets, column, end, bias, floor, add)

    return add


add_tile: Final = _by_width(within=False)
"""(vectors, a, rows, row, b, start, segments, first, last, steps, y, targets, column, end, bias, floor, add):
y[targets[row + i] + column + j] = max(bias[column + j] + Σ a[rows[row + i] + …] b[start + … + j], floor).

For all rows i and columns j of a tile ``vectors`` wide. The sum is over k from 0 to length of the ``segments`` number
first to last, (in a, in b, length) each: a[… + in a + k steps[0]] b[… + in b + k steps[1] + j]. With ``add`` it is
added to y instead of the bias. NaN passes. a, b, y and bias are flat. ``end`` is not looked at.
"""
add_tile_within: Final = _by_width(within=True)
"""The same where y and b lack the columns of the last vector from ``end`` on, which are neither read nor written. This
costs a tile a twentieth of its time."""


@inlined
def add_tile_up_to(
    vectors: int, a: Any, rows: Any, row: int, b: Any, start: int, segments: Any, first: int, last: int,
    steps: tuple[int, int], y: Any, targets: Any, column: int, end: int, bias: Any, floor: Any, add: bool,
) -> None:  # fmt: skip
    """Do the one or the other. A branch within the tile itself would cost all tiles what masks cost."""
    if column + vectors * (REGISTERS.bytes // a.itemsize) <= end:
        add_tile(
            vectors, a, rows, row, b, start, segments, first, last, steps, y, targets, column, end, bias, floor, add
        )
    else:
        add_tile_within(
            vectors, a, rows, row, b, start, segments, first, last, steps, y, targets, column, end, bias, floor, add
        )
