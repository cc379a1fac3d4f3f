"""Waiting for a number to rise without giving up the core, for a moment."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kusari_numpy.board import LOOP_GIVEN, LOOP_TAKEN, SLEEPERS
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
def tell(typing: Any, numbers: Any, place: Any, number: Any) -> Any:
    """Write a number that others can see before this thread reads any other."""
    signature = types.void(numbers, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        builder.atomic_rmw("xchg", builder.gep(data, [arguments[1]]), arguments[2], "seq_cst")
        return context.get_dummy_value()

    return signature, generate


@jit
def may_sleep(row: Any, place: int, number: int) -> bool:
    """Say that someone sleeps until ``row[place]`` is so high; tell whether that, and a loop, is still to come."""
    tell(row, SLEEPERS + place, 1)
    return look(row, place) < number and look(row, LOOP_GIVEN) == look(row, LOOP_TAKEN)


@jit
def reached(row: Any, place: int, number: int, looks: int) -> bool:
    """Tell whether ``row[place]`` is so high, or becomes so during so many looks."""
    looked = 0
    while looked < looks and look(row, place) < number:
        looked += 1
    return looked < looks


@jit
def told(row: Any, place: int, number: int) -> bool:
    """Set ``row[place]``, and tell whether nobody sleeps until it rises."""
    tell(row, place, number)
    return look(row, SLEEPERS + place) == 0
