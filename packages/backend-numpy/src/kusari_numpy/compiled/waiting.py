"""Waiting for a number to rise without giving up the core, for a moment."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kusari_numpy.compiled.options import jit


@intrinsic
def _look(typing: Any, numbers: Any, place: Any) -> Any:
    """Return what another thread may have written meanwhile; the core's other thread has its turn before."""
    signature = types.int64(numbers, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if binding.get_default_triple().startswith(("x86_64", "i686")):
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), ())
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(builder.gep(data, [arguments[1]]), "acquire", align=8)

    return signature, generate


@jit
def reached(numbers: Any, place: int, number: int, looks: int) -> bool:
    """Tell whether ``numbers[place]`` is so high, or becomes so during so many looks."""
    looked = 0
    while looked < looks and _look(numbers, place) < number:
        looked += 1
    return looked < looks
