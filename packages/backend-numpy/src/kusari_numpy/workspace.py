"""Workspaces: scratch memory that calls reuse instead of asking the system for fresh pages each time."""

from __future__ import annotations

import math
import threading
from typing import Any, Final

import numpy as np

_memory: Final = threading.local()
ALIGNMENT: Final = 64
"""Bytes: a cache line, and the widest vector. NumPy's arrays begin anywhere, and a vector that lies across two lines
is read twice: tiles compute 106 GFLOP/s from them, 126 from aligned memory."""
LIMIT: Final = 64 * 2**20
"""Bytes that a thread keeps per slot; larger scratch is allocated for the one call."""


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an array of undefined contents that begins where a cache line does.

    >>> aligned_empty((3, 5), np.dtype("f")).ctypes.data % ALIGNMENT
    0
    """
    return _view(_aligned_bytes(math.prod(shape) * dtype.itemsize), shape, dtype)


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


def _aligned_bytes(size: int) -> np.ndarray[Any, Any]:
    memory = np.empty(size + ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + size]


def _view(memory: np.ndarray[Any, Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return memory.view(dtype).reshape(shape)
