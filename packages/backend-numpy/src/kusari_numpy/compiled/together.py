"""Loops that several threads run, which are given to helpers, begun and waited for without the interpreter.

Through it a helper begins 13 µs after its caller, and the caller waits 25 µs longer than both work: who comes out of a
loop wants the interpreter's lock, which another thread has.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from types import FunctionType
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kusari_numpy.board import FAILED, LENGTH, LOOP, LOOP_DONE, LOOP_GIVEN, LOOP_TAKEN, OPERANDS
from kusari_numpy.compiled.options import FAST_MATH, compiled, jit
from kusari_numpy.compiled.turns import take
from kusari_numpy.compiled.waiting import look

PATIENCE: Final = 20_000
"""How often a caller who is done looks whether the others are."""
ALL_DONE, AT_WORK, ERROR = range(3)
"""What becomes of a loop: see `settled`."""

_NUMBER: Final = ir.IntType(64)
_BYTES: Final = ir.IntType(8).as_pointer()
_LOOP: Final = ir.FunctionType(_NUMBER, [_BYTES])
"""A loop as helpers call it: with the place of its operands. It returns whether there was an error."""


def together(function: Callable[..., None], fastmath: Set[str] = FAST_MATH, kept: bool = True) -> Callable[..., int]:
    """Compile a loop that threads share; see `compiled` for its options.

    The result is called with two arguments before the loop's own: a board's rows, and how many of them, from the first
    on, are of helpers that are to run the loop, too. It returns what `settled` does. The operands must outlive it.
    """
    body = compiled(function, fastmath, kept=False)
    entry = _beside(function, _shared, {"_share": _share, "settled": settled, "body": body})
    made: Callable[..., int] = compiled(entry, fastmath, kept)
    return made


def _shared(board: Any, helpers: int, *operands: Any) -> int:
    _share(board, helpers, body, operands)  # type: ignore[name-defined]  # noqa: F821  # `together` puts it there
    return settled(board, helpers)


def in_ranges(loop: Callable[..., None]) -> Callable[..., int]:
    """Return a compiled loop whose last arguments are the first of some items, and the one after the last, `together`.

    It is called with two arguments before the loop's others: how many items a thread takes at a time, and how many
    there are.
    """
    function: Any = loop
    return together(_beside(function.py_func, _ranges, {"take": take, "body": loop}))


def _ranges(step: int, count: int, *operands: Any) -> None:
    turns = operands[-1]
    piece = take(turns, 0)
    while piece * step < count:
        body(*operands[:-1], piece * step, min((piece + 1) * step, count))  # type: ignore[name-defined]  # noqa: F821
        piece = take(turns, 0)


def _beside(function: Any, template: Any, names: dict[str, Any]) -> Any:
    """Return a function with another's text, which finds these names, as if it were written beside a loop.

    What numba keeps on disk goes by a function's file, line and name, and not by what it calls: all are the loop's.
    """
    place = function.__code__
    code = template.__code__.replace(co_filename=place.co_filename, co_firstlineno=place.co_firstlineno)
    made: Any = FunctionType(code, names, function.__name__)
    made.__module__, made.__qualname__ = function.__module__, function.__qualname__ + template.__name__
    made.__doc__ = function.__doc__
    return made


@intrinsic
def _share(typing: Any, board: Any, helpers: Any, loop: Any, operands: Any) -> Any:
    """Give helpers a loop with its operands, and run it."""
    call = loop.get_call_type(typing, operands.types, {})

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(operands)
        if context.get_abi_sizeof(kind) > (LENGTH - OPERANDS) * 8:
            raise TypeError(f"{loop.dispatcher.py_func.__name__}: its operands have no place on the board")
        helped = _for_helpers(context, builder, loop.dispatcher.overloads[call.args].fndesc, kind)
        rows = context.make_array(board)(context, builder, arguments[0]).data
        with cgutils.for_range(builder, arguments[1]) as each:
            row = builder.gep(rows, [builder.mul(each.index, _number(LENGTH))])
            place = builder.bitcast(builder.gep(row, [_number(OPERANDS)]), kind.as_pointer())
            builder.store(arguments[3], place, align=8)
            builder.store(builder.ptrtoint(helped, _NUMBER), builder.gep(row, [_number(LOOP)]))
            given = builder.gep(row, [_number(LOOP_GIVEN)])
            builder.store_atomic(builder.add(builder.load(given), _number(1)), given, "release", align=8)
        context.get_function(loop, call)(builder, _as_called(context, builder, call.args, arguments[3]))
        return context.get_dummy_value()

    return types.void(board, types.int64, loop, operands), generate


def _for_helpers(context: Any, builder: Any, loop: Any, kind: Any) -> Any:
    """Return a loop with operands of a kind as a function that helpers can call."""
    name = builder.module.get_unique_name(f"{builder.function.name}.helped")
    function = ir.Function(builder.module, _LOOP, name)
    function.linkage = "internal"
    inside = ir.IRBuilder(function.append_basic_block())
    operands = inside.load(inside.bitcast(function.args[0], kind.as_pointer()), align=8)
    called, given = context.declare_function(builder.module, loop), _as_called(context, inside, loop.argtypes, operands)
    status, _ = context.call_conv.call_function(inside, called, loop.restype, loop.argtypes, given)
    inside.ret(inside.zext(status.is_error, _NUMBER))
    return function


def _as_called(context: Any, builder: Any, kinds: Any, operands: Any) -> list[Any]:
    """Return operands as a function takes them: those that it takes by a star, as one."""
    values = list(cgutils.unpack_tuple(builder, operands))
    if not isinstance(kinds[-1], types.StarArgTuple | types.StarArgUniTuple):
        return values
    named = len(kinds) - 1
    return [*values[:named], context.make_tuple(builder, kinds[-1], values[named:])]


@intrinsic
def taken(typing: Any, row: Any, number: Any) -> Any:
    """Take the loop of a number, and tell whether nobody had."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place, before = builder.gep(data, [_number(LOOP_TAKEN)]), builder.sub(arguments[1], _number(1))
        return builder.extract_value(builder.cmpxchg(place, before, arguments[1], "seq_cst", "seq_cst"), 1)

    return types.boolean(row, types.int64), generate


@intrinsic
def failed(typing: Any, row: Any) -> Any:
    """Run the loop that was taken, and tell whether there was an error."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        loop = builder.inttoptr(builder.load(builder.gep(data, [_number(LOOP)])), _LOOP.as_pointer())
        operands = builder.bitcast(builder.gep(data, [_number(OPERANDS)]), _BYTES)
        return builder.trunc(builder.call(loop, [operands]), ir.IntType(1))

    return types.boolean(row), generate


def _number(number: int) -> Any:
    return ir.Constant(_NUMBER, number)


@jit
def settled(board: Any, helpers: int) -> int:
    """Take back what helpers have not begun, and wait a moment for the others.

    Returns:
        ALL_DONE; ERROR, if one of them had one; or AT_WORK, if one of them still is.
    """
    for helper in range(helpers):
        row = board[helper]
        given = row[LOOP_GIVEN]
        if look(row, LOOP_DONE) < given and taken(row, given):
            row[LOOP_DONE] = given
        looked = 0
        while look(row, LOOP_DONE) < given:
            looked += 1
            if looked == PATIENCE:
                return AT_WORK
    result = ALL_DONE
    for helper in range(helpers):
        if board[helper, FAILED] != 0:
            board[helper, FAILED] = 0
            result = ERROR
    return result
