"""The processor's vectors, and the words in which numba's intrinsics write loops of them in LLVM's language.

numba keeps no array in registers, and gives up using vectors where a loop reads or writes too many places to prove them
apart. Where that decides how fast a loop is, it is written here instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils


class Registers(NamedTuple):
    """What a processor computes with."""

    bytes: int
    """Of a vector."""
    rows: tuple[int, int, int, int]
    """rows[n − 1] of a tile n vectors wide: together with one row of b and a number of a, they fill the registers."""


def registers() -> Registers:
    """Return this processor's."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return Registers(64, (14, 12, 8, 6))
    if features.get("neon"):
        return Registers(16, (14, 12, 8, 6))
    return Registers(32 if features.get("avx") else 16, (10, 6, 4, 3))


REGISTERS: Final = registers()
WIDEST: Final = 4
"""Vectors across the widest tile."""
TALLEST: Final = max(REGISTERS.rows)
"""Rows of the highest tile."""


def whole(columns: int, dtype: Any) -> int:
    """Return a number of columns, rounded up to whole vectors."""
    lanes = REGISTERS.bytes // dtype.itemsize
    return -(-columns // lanes) * lanes


class Writer:
    """Writes instructions at the builder's place: numbers of one dtype, ``lanes`` at a time, and places in memory.

    Arrays are flat; a place in them is a number of elements. With a ``mask`` (see `first_lanes`), nothing is read or
    written outside of it.
    """

    def __init__(self, builder: Any, number: Any, lanes: int, mask: Any = None) -> None:
        self.builder, self.lanes, self.mask = builder, lanes, mask
        self.vector = ir.VectorType(number, lanes)
        self.size = {"float": 4, "i32": 4}.get(str(number), 8)
        """Bytes of a number."""

    def integer(self, number: int) -> Any:
        """Return a constant place."""
        return ir.Constant(ir.IntType(64), number)

    def number(self, number: float) -> Any:
        """Return a vector of a constant."""
        return ir.Constant(self.vector, [number] * self.lanes)

    def load(self, base: Any, place: Any) -> Any:
        """Return the vector that begins at a place."""
        address = self._address(base, place)
        if self.mask is None:
            return self.builder.load(address, align=self.size)
        masked = self._masked("load", self.vector, [address.type, ir.IntType(32), self.mask.type, self.vector])
        return self.builder.call(masked, (address, ir.Constant(ir.IntType(32), self.size), self.mask, self.number(0)))

    def store(self, vector: Any, base: Any, place: Any) -> None:
        """Write the vector that begins at a place."""
        address = self._address(base, place)
        if self.mask is None:
            self.builder.store(vector, address, align=self.size)
            return
        masked = self._masked("store", ir.VoidType(), [self.vector, address.type, ir.IntType(32), self.mask.type])
        self.builder.call(masked, (vector, address, ir.Constant(ir.IntType(32), self.size), self.mask))

    def fetch(self, base: Any, place: Any, to_write: bool = False, near: bool = False) -> None:
        """Have the line of memory that a place is in brought into the cache; the place may be none of the array's.

        ``near``: into the L2 cache, and not into the L1.
        """
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        address = self.builder.bitcast(self.builder.gep(base, [place]), byte)
        purpose, level, data = (ir.Constant(flag, number) for number in (int(to_write), 2 if near else 3, 1))
        self.builder.call(function, (address, purpose, level, data))

    def spread(self, number: Any) -> Any:
        """Return a vector of one number."""
        undefined, zeros = ir.Constant(self.vector, ir.Undefined), ir.VectorType(ir.IntType(32), self.lanes)
        first = self.builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(zeros, [0] * self.lanes))

    def interleave(self, x: Any, y: Any, first: int) -> Any:
        """Return x[first], y[first], x[first + 1], … up to a whole vector."""
        numbers = [place for lane in range(first, first + self.lanes // 2) for place in (lane, self.lanes + lane)]
        return self.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), numbers))

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        """Return x y + z."""
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.size}"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), (x, y, z))

    def at_least(self, x: Any, floor: Any) -> Any:
        """Return max(x, floor); NaN stays."""
        return self.builder.select(self.builder.fcmp_ordered("<", x, floor), floor, x)

    def first_lanes(self, count: Any) -> Any:
        """Return the mask of so many lanes."""
        lanes = ir.VectorType(count.type, self.lanes)
        undefined, zeros = ir.Constant(lanes, ir.Undefined), ir.VectorType(ir.IntType(32), self.lanes)
        first = self.builder.insert_element(undefined, count, ir.Constant(ir.IntType(32), 0))
        limit = self.builder.shuffle_vector(first, undefined, ir.Constant(zeros, [0] * self.lanes))
        return self.builder.icmp_unsigned("<", ir.Constant(lanes, list(range(self.lanes))), limit)

    def _masked(self, what: str, result: Any, kinds: list[Any]) -> Any:
        """Return LLVM's masked load or store."""
        number = {"float": "f32", "double": "f64"}.get(str(self.vector.element), str(self.vector.element))
        name = f"llvm.masked.{what}.v{self.lanes}{number}.p0"
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, kinds), name)

    def _address(self, base: Any, place: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(base, [place]), self.vector.as_pointer())


def operands(context: Any, builder: Any, names: str, kinds: Any, values: Any) -> dict[str, Any]:
    """Return an intrinsic's arguments by name; of an array, the address of its first number.

    Raises:
        TypeError: An array may have gaps, which the loops would not see.
    """
    named = dict(zip(names.split(), values, strict=True))
    for name, kind in zip(named, kinds, strict=True):
        if isinstance(kind, types.Array):
            if kind.layout != "C":
                raise TypeError(f"{name} is {kind}; expected a dense array, pass a copy")
            named[name] = context.make_array(kind)(context, builder, named[name]).data
    return named


def lanes_of(number: Any) -> int:
    """Return how many numbers of a numba dtype are in a vector."""
    return REGISTERS.bytes // (int(number.bitwidth) // 8)


def each_vector(builder: Any, number: Any, lanes: int, count: Any, write: Callable[[Writer, Any], None]) -> None:
    """Write a loop over whole vectors of numbers, and what is done to those that are left: ``write(writer, place)``.

    These are done at once, by a mask; of 23 channels, seven were done one by one otherwise.
    """
    whole = builder.mul(builder.udiv(count, count.type(lanes)), count.type(lanes))
    with cgutils.for_range_slice(builder, count.type(0), whole, count.type(lanes)) as (place, _):
        write(Writer(builder, number, lanes), place)
    left = builder.sub(count, whole)
    with builder.if_then(builder.icmp_unsigned(">", left, count.type(0))):
        mask = Writer(builder, number, lanes).first_lanes(left)
        write(Writer(builder, number, lanes, mask), whole)
