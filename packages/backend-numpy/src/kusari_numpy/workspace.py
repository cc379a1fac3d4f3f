"""Workspaces: scratch memory that calls reuse instead of asking the system for fresh pages each time."""

from __future__ import annotations

import math
import threading
from typing import Any, Final

import numpy as np

_memory: Final = threading.local()
LIMIT: Final = 64 * 2**20
"""Bytes that a thread keeps per slot; larger scratch is allocated for the one call."""


def workspace(slot: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return scratch memory of a shape, with undefined contents, valid until the slot's next use in this thread.

    >>> first = workspace("example", (2, 3), np.dtype("f"))
    >>> np.shares_memory(first, workspace("example", (3, 2), np.dtype("f")))
    True
    """
    size = math.prod(shape) * dtype.itemsize
    if size > LIMIT:
        return np.empty(shape, dtype)
    kept: np.ndarray[Any, Any] | None = getattr(_memory, slot, None)
    if kept is None or kept.nbytes < size:
        kept = np.empty(size, np.uint8)
        setattr(_memory, slot, kept)
    return kept[:size].view(dtype).reshape(shape)
