"""How the loops are compiled."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any, Final, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

FAST_MATH: Final = frozenset({"contract", "reassoc", "arcp", "nsz"})
"""Sums may be reordered and products fused; NaN and infinity stay what they are."""
EXACT_MATH: Final = frozenset({"contract", "nsz"})
"""Products are fused into sums, which drops a rounding; otherwise as written: the results of generated elementwise
loops are those of the operations one by one, but for a digit."""


def jit(function: F) -> F:
    """Compile ``function`` on its first call, without the interpreter's lock; the result is kept on disk."""
    return compiled(function, FAST_MATH)


def compiled(function: F, fastmath: Set[str], kept: bool = True) -> F:
    """Compile ``function`` as `jit` does, with liberties of one's own, and ``kept`` on disk or not."""
    made = njit(nogil=True, cache=kept, fastmath=set(fastmath), error_model="numpy")(function)
    return _kept(made) if kept else made


def _kept(made: F) -> F:
    """Have what numba keeps on disk go by all loops."""
    kept = getattr(getattr(made, "_cache", None), "_cache_file", None)
    if kept is not None:
        kept._source_stamp = _stamp()  # numba's own is the time of the function's file, and knows nothing of others
    return made


@functools.cache
def _stamp() -> str:
    """Return a digest of all loops: one that was compiled is stale when any that it calls has changed."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    beside = [folder.parent / name for name in ("board.py", "winograd_matrices.py")]
    for path in (*sorted(folder.glob("*.py")), *beside):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def inlined(function: F) -> F:
    """Put ``function`` in the place of each call of it from a compiled loop."""
    made: F = njit(inline="always")(function)
    return made
