"""Workspaces: scratch memory, and that of large arrays, is used again instead of asking the system for fresh pages."""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
from collections.abc import Iterator
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
KEPT: Final = 2**29
"""Bytes that are kept so, at most, those in use included."""
SLACK: Final = 1.44
"""How much is kept at most, for what was in use at some time: without it, a step of VGG would keep 113 MiB for 83. With
1.3, one of a Network in Network asks for 80 MiB anew each time, and the system clears pages for 15 of 350 ms."""
LARGEST: Final = 2
"""An array takes kept memory of up to so many times its size: a step of VGG keeps two thirds as much then."""


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an array of undefined contents that begins where a cache line does.

    >>> aligned_empty((3, 5), np.dtype("f")).ctypes.data % ALIGNMENT
    0
    """
    size = math.prod(shape) * dtype.itemsize
    memory, begin = _held.take(-(-size // ROUND) * ROUND) if size >= LARGE else _new(size)
    return np.ndarray(shape, dtype, memory, begin)


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
    kept: _Block | None = getattr(_memory, slot, None)
    if kept is None or len(kept[0]) < size + ALIGNMENT:
        kept = _new(size)
        setattr(_memory, slot, kept)
    return np.ndarray(shape, dtype, *kept)


_Block = tuple[np.ndarray[Any, Any], int]
"""Memory, and where its first cache line begins."""


def _new(size: int) -> _Block:
    """Return new memory for so many bytes."""
    # Mapped apart from the heap, large memory would go back to the system at once: a step of a Network in Network takes
    # 274 MiB so, not 336, but 40 ms more for new pages; one of depthwise convolutions 190 ms, not 165.
    memory: Any = np.empty(size + ALIGNMENT, np.uint8)
    return memory, -ctypes.addressof(ctypes.c_char.from_buffer(memory)) % ALIGNMENT


def _idle(block: _Block) -> bool:
    """Tell whether no array is in a block: arrays and their views refer to its memory, and to nothing between."""
    return sys.getrefcount(block[0]) == 2  # the block, and the argument


class _Held:
    """Memory that is kept, by size, and lent again when the last array in it has died.

    Little is let go: a step that makes arrays of many sizes would ask for some anew each time, 18 in one through
    depthwise layers, and the system clear pages during 4 of 60 ms.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, list[_Block]] = {}
        self._bytes = self._most = 0
        self._lock = threading.Lock()

    @property
    def idle(self) -> list[int]:
        """Of all that no array is in, the sizes in bytes."""
        return [size for size, blocks in self._blocks.items() for block in blocks if _idle(block)]

    def take(self, size: int) -> _Block:
        """Return memory for so many bytes."""
        with self._lock:
            for block in self._fitting(size):
                if _idle(block):
                    return block
            in_use = self._bytes - sum(self.idle)
            self._most = max(self._most, in_use + size)
            self._release(self._bytes + size - min(KEPT, int(SLACK * self._most)))
            block = _new(size)
            if self._bytes + size <= KEPT:
                self._bytes += size
                self._blocks.setdefault(size, []).append(block)
            return block

    def _fitting(self, size: int) -> Iterator[_Block]:
        """Yield blocks of a size, then those that are larger, but not by much."""
        yield from self._blocks.get(size, ())
        for larger in sorted(self._blocks):
            if size < larger <= LARGEST * size:
                yield from self._blocks[larger]

    def _release(self, count: int) -> None:
        """Let go of so many idle bytes or more, if there are any; those that were first wanted are the first to go."""
        for size, blocks in self._blocks.items():
            for number in reversed(range(len(blocks))):
                if count > 0 and _idle(blocks[number]):
                    del blocks[number]
                    self._bytes -= size
                    count -= size

    def unlock(self) -> None:
        """After a fork: whoever had the lock is not in the child."""
        self._lock = threading.Lock()


_held: Final = _Held()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_held.unlock)
