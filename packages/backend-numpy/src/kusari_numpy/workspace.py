"""Workspaces: scratch memory, and that of large arrays, is used again instead of asking the system for fresh pages."""

from __future__ import annotations

import math
import threading
import weakref
from collections import deque
from contextlib import suppress
from typing import Any, Final

import numpy as np

_memory: Final = threading.local()
ALIGNMENT: Final = 64
"""Bytes: a cache line, and the widest vector. NumPy's arrays begin anywhere, and a vector that lies across two lines
is read twice: tiles compute 106 GFLOP/s from them, 126 from aligned memory."""
LIMIT: Final = 64 * 2**20
"""Bytes that a thread keeps per slot; larger scratch is allocated for the one call."""

LARGE: Final = 2**20
"""Bytes from which on an array's memory is kept for the next one as large. The system takes back what arrays of many
megabytes had, and clears every page that it gives anew: in a step of a Network in Network that was 50 ms of 700."""
ROUND: Final = 2**16
"""Bytes, of which the sizes of large arrays' memory are multiples."""
IDLE: Final = 2**28
"""Bytes that are kept so, at most."""


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an array of undefined contents that begins where a cache line does.

    >>> aligned_empty((3, 5), np.dtype("f")).ctypes.data % ALIGNMENT
    0
    """
    size = math.prod(shape) * dtype.itemsize
    return _view(_lent(size) if size >= LARGE else _aligned_bytes(size), shape, dtype)


def memory_order(array: np.ndarray[Any, Any]) -> list[int]:
    """Return an array's axes from that whose numbers lie farthest apart to that whose lie closest.

    >>> memory_order(np.ones((2, 3)).T)
    [1, 0]
    """
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))


def aligned_like(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return such an array with the shape of another, whose axes lie in memory as that one's do; it has no gaps.

    >>> aligned_like(np.ones((2, 3), "f").T, np.dtype("d")).strides
    (8, 24)
    """
    if array.flags.c_contiguous:
        return aligned_empty(array.shape, dtype)
    order = memory_order(array)
    made = aligned_empty(tuple([array.shape[axis] for axis in order]), dtype)
    return made.transpose(np.argsort(order))


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an array of zeros that begins where a cache line does."""
    made = aligned_empty(shape, dtype)
    made.fill(0)
    return made


def workspace(slot: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return aligned scratch memory, with undefined contents, that is valid until the slot's next use in this thread.

    >>> first = workspace("example", (2, 3), np.dtype("f"))
    >>> np.shares_memory(first, workspace("example", (3, 2), np.dtype("f")))
    True
    """
    size = math.prod(shape) * dtype.itemsize
    if size > LIMIT:
        return aligned_empty(shape, dtype)
    kept: np.ndarray[Any, Any] | None = getattr(_memory, slot, None)
    if kept is None or kept.nbytes < size:
        kept = _aligned_bytes(size)
        setattr(_memory, slot, kept)
    return _view(kept[:size], shape, dtype)


class _Idle:
    """Memory that was given back, by size.

    Whoever finds none of a size has others let go: in all no more is held than was in use at some time. There is no
    lock: memory comes back from wherever its last array dies, in the midst of these methods, too.
    """

    def __init__(self) -> None:
        self._memory: dict[int, deque[np.ndarray[Any, Any]]] = {}

    @property
    def sizes(self) -> list[int]:
        """Of all that is held, in bytes."""
        return [size for size, held in list(self._memory.items()) for _ in range(len(held))]

    def take(self, size: int) -> np.ndarray[Any, Any] | None:
        """Return memory of that size; if there is none, let go of as much of other sizes."""
        try:
            return self._memory[size].pop()
        except LookupError:
            self._release(size)
            return None

    def give(self, memory: np.ndarray[Any, Any]) -> None:
        """Keep memory for the next one who wants as much."""
        self._memory.setdefault(memory.nbytes, deque()).append(memory)
        self._release(sum(self.sizes) - IDLE)

    def _release(self, count: int) -> None:
        """Let go of so many bytes or more, if there are any; those that were first wanted are the first to go."""
        for size, held in list(self._memory.items()):
            while count > 0 and held:
                with suppress(IndexError):  # another thread may have taken the last
                    held.popleft()
                    count -= size


_idle: Final = _Idle()


def _lent(size: int) -> np.ndarray[Any, Any]:
    """Return aligned memory that is kept when the last array in it dies."""
    whole = -(-size // ROUND) * ROUND
    memory = _idle.take(whole)
    if memory is None:
        memory = _aligned_bytes(whole)
    lent = np.frombuffer(memory.data, np.uint8)  # its views keep it alive, and not just the memory
    weakref.finalize(lent, _idle.give, memory).atexit = False
    return lent[:size]


def _aligned_bytes(size: int) -> np.ndarray[Any, Any]:
    # Mapped apart from the heap, large memory would go back to the system at once: a step of a Network in Network takes
    # 274 MiB so, not 336, but 40 ms more for new pages; one of depthwise convolutions 190 ms, not 165.
    memory = np.empty(size + ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + size]


def _view(memory: np.ndarray[Any, Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return memory.view(dtype).reshape(shape)
