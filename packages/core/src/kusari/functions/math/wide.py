"""16-bit floating arrays where the numbers need 32 bits."""

from __future__ import annotations

from typing import Any

from kusari.backend import Backend


def widened(backend: Backend, x: Any) -> Any:
    """Return x in float32 where its dtype has 16 bits, else x: solvers and transforms know no others."""
    return backend.xp.astype(x, backend.xp.float32) if backend.host_dtype(x.dtype).itemsize < 4 else x
