"""Pieces of work that threads take in turn without the interpreter, whose lock they would wait for.

``turns`` are counters, all 0 at first, that the threads of one kernel call share; see `kusari_numpy.threads`.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.waiting import look


@intrinsic
def _add(typing: Any, turns: Any, place: Any, number: Any) -> Any:
    """Add to a counter, and return what it was; what this thread wrote before, others see that see the sum."""
    signature = types.int64(turns, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.atomic_rmw("add", builder.gep(data, [arguments[1]]), arguments[2], "seq_cst")

    return signature, generate


@jit
def take(turns: Any, place: int) -> int:
    """Return the number of the next piece of work that a counter counts; numba keeps no generator on disk."""
    return _add(turns, place, 1)


@jit
def is_last(turns: Any, count: int, place: int) -> bool:
    """Count a piece that is done, and tell whether all are."""
    return _add(turns, place, 1) == count - 1


@jit
def go_on(turns: Any, place: int) -> None:
    """Let all threads pass that `wait` there."""
    _add(turns, place, 1)


@jit
def wait(turns: Any, place: int) -> None:
    """Wait until a thread says that all may go on."""
    while look(turns, place) == 0:
        pass
