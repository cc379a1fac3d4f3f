"""How the loops are compiled."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

FAST_MATH: Final = frozenset({"contract", "reassoc", "arcp", "nsz"})
"""Sums may be reordered and products fused; NaN and infinity stay what they are."""


def jit(function: F) -> F:
    """Compile ``function`` on its first call, without the interpreter's lock; the result is kept on disk."""
    return _kept(njit(nogil=True, cache=True, fastmath=set(FAST_MATH), error_model="numpy")(function))


def _kept(compiled: F) -> F:
    """Have what numba keeps on disk go by all loops."""
    kept = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if kept is not None:
        kept._source_stamp = _stamp()  # numba's own is the time of the function's file, and knows nothing of others
    return compiled


@functools.cache
def _stamp() -> str:
    """Return a digest of all loops: one that was compiled is stale when any that it calls has changed."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in (*sorted(folder.glob("*.py")), folder.parent / "winograd_matrices.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def inlined(function: F) -> F:
    """Put ``function`` in the place of each call of it from a compiled loop."""
    compiled: F = njit(inline="always")(function)
    return compiled


EXACT_MATH: Final = frozenset({"contract", "nsz"})
"""Products are fused into sums, which drops a rounding; otherwise as written."""


def elementwise_jit(function: F) -> F:
    """Compile a generated loop, as `jit` does; its results are those of the operations one by one, but for a digit."""
    return _kept(njit(nogil=True, cache=True, fastmath=set(EXACT_MATH), error_model="numpy")(function))


def elementwise_jit_uncached(function: F) -> F:
    """Compile a generated loop that has no file, and so nothing to keep on disk."""
    compiled: F = njit(nogil=True, fastmath=set(EXACT_MATH), error_model="numpy")(function)
    return compiled
