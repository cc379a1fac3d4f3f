"""Waiting for a number to rise without giving up the core, for a moment."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kusari_numpy.compiled.options import jit


@intrinsic
def look(typing: Any, numbers: Any, place: Any) -> Any:
    """Return what another thread may have written meanwhile; the core's other thread has its turn before."""
    signature = types.int64(numbers, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if binding.get_default_triple().startswith(("x86_64", "i686")):
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), ())
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(builder.gep(data, [arguments[1]]), "acquire", align=8)

    return signature, generate


@intrinsic
def _tell(typing: Any, numbers: Any, place: Any, number: Any) -> Any:
    """Write a number that others can see before this thread reads any other."""
    signature = types.void(numbers, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        builder.atomic_rmw("xchg", builder.gep(data, [arguments[1]]), arguments[2], "seq_cst")
        return context.get_dummy_value()

    return signature, generate


@jit
def tell(numbers: Any, place: int, number: int, read: int) -> int:
    """Set ``numbers[place]``, and return what ``numbers[read]`` is then."""
    _tell(numbers, place, number)
    return look(numbers, read)


@jit
def reached(numbers: Any, place: int, number: int, looks: int, more: int) -> bool:
    """Tell whether ``numbers[place]`` is so high, or becomes so during so many looks; if so, look on for ``more``."""
    looked = 0
    while looked < looks and look(numbers, place) < number:
        looked += 1
    if looked == looks:
        return False
    for _ in range(more):
        look(numbers, place)
    return True


@jit
def told_and_reached(
    numbers: Any, told: int, sleeper: int, place: int, number: int, looks: int, more: int
) -> tuple[bool, bool]:
    """Set ``numbers[told]`` to one less than ``number``; return whether ``numbers[sleeper]`` is 0, and `reached`."""
    _tell(numbers, told, number - 1)
    if look(numbers, sleeper) != 0:
        return False, False
    return True, reached(numbers, place, number, looks, more)
