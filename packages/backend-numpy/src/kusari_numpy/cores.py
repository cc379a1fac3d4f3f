"""Which core a thread runs on.

A thread that was asleep is often woken on the core of the one that woke it, though another is idle, and the system
parts them only some milliseconds later: shared work of 2 ms took 3.5, more than on one thread.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache


def core() -> int | None:
    """Return the number of the core that the calling thread is on; None where the system does not say."""
    find = _find()
    return find() if find is not None else None


def keep_off(thread: int, number: int) -> None:
    """Have a thread run on the caller's cores but this one; where there are no others, wherever it likes.

    Args:
        thread: As the system numbers threads (`threading.Thread.native_id`).
        number: The core's.
    """
    others = os.sched_getaffinity(0) - {number}
    if others:
        os.sched_setaffinity(thread, others)


@cache
def _find() -> Callable[[], int] | None:
    if not hasattr(os, "sched_setaffinity"):
        return None
    return getattr(ctypes.PyDLL(None), "sched_getcpu", None)  # not every C library has it
