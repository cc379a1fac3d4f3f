"""Transposing in registers: as many vectors as a vector has numbers go in, and come out as columns."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from kusari_numpy.compiled.options import inlined
from kusari_numpy.compiled.vectors import REGISTERS, Writer, lanes_of, operands


@intrinsic
def _turn_square(
    typing: Any, x: Any, at: Any, pitch: Any, y: Any, into: Any, places: Any, first: Any, count: Any, across: Any
) -> Any:
    index = types.int64
    signature = types.void(x, index, index, y, index, places, index, index, index)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        names = "x at pitch y into places first count across"
        value = operands(context, builder, names, signature.args, arguments)
        writer = Writer(builder, context.get_value_type(x.dtype), lanes_of(x.dtype))
        last = builder.sub(value["across"], writer.integer(1))
        rows = []
        for number in map(writer.integer, range(writer.lanes)):
            row = builder.select(builder.icmp_signed("<", number, last), number, last)
            rows.append(writer.load(value["x"], builder.add(value["at"], builder.mul(value["pitch"], row))))
        for number, column in enumerate(_columns(writer, rows)):
            with builder.if_then(builder.icmp_signed("<", writer.integer(number), value["count"])):
                entry = builder.gep(value["places"], [builder.add(value["first"], writer.integer(number))])
                place = builder.load(entry)
                with builder.if_then(builder.icmp_signed(">=", place, writer.integer(0))):
                    writer.store(column, value["y"], builder.add(value["into"], place))
        return context.get_dummy_value()

    return signature, generate


def _columns(writer: Writer, rows: list[Any]) -> list[Any]:
    """Return the columns of a square: shuffling its two halves into each other as often as halves can be halved."""
    half = len(rows) // 2
    for _ in range(half.bit_length()):
        pairs = zip(rows[:half], rows[half:], strict=True)
        rows = [mixed for a, b in pairs for mixed in (writer.interleave(a, b, 0), writer.interleave(a, b, half))]
    return rows


@inlined
def turn(x: Any, at: int, pitch: int, y: Any, into: int, places: Any, first: int, count: int, across: int) -> None:
    """y[into + places[first + r] + i] = x[at + i pitch + r] for r < ``count`` and i < ``across``.

    Neither is more than a vector's numbers; whole vectors are written, what they hold from ``across`` on means nothing.
    A negative place leaves its row out. x and y are flat.
    """
    lanes = REGISTERS.bytes // x.itemsize
    if at + (across - 1) * pitch + lanes <= len(x):  # all of a row is read, however few of it count
        _turn_square(x, at, pitch, y, into, places, first, count, across)
    else:
        for r in range(count):
            if places[first + r] >= 0:
                for i in range(across):
                    y[into + places[first + r] + i] = x[at + i * pitch + r]
