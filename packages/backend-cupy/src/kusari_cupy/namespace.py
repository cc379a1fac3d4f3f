"""The array API standard over CuPy, without waiting for the GPU."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def standard_namespace(cupy: ModuleType) -> ModuleType:
    """Return array_api_compat's namespace with CuPy's own ``clip``.

    CuPy lacks ``vecdot`` and ``unstack``, which array_api_compat adds. But its ``clip`` assigns through a mask, and for
    the number of elements in it the host waits.
    """
    import array_api_compat.cupy as compat

    namespace = ModuleType("kusari_cupy.xp", compat.__doc__)
    namespace.__dict__.update(vars(compat))

    def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
        """Return min(max(x, ``min``), ``max``) in x's dtype; a bound of None is none, and NaN stays."""
        return cupy.clip(x, min, max).astype(x.dtype, copy=False)

    namespace.clip = clip  # type: ignore[attr-defined]
    return namespace
