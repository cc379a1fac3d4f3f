"""Whether compiled kernels can be used."""

from __future__ import annotations

import importlib.util

from kusari.backend import Backend

ADVICE = "pip install 'kusari-backend-numpy[fast]'"


def installed(package: str) -> bool:
    """Tell whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def compiled_available(backend: Backend) -> bool | str:
    """Return True, or what is missing. Nothing is imported before the first plan that is chosen."""
    for package in ("numba", "threadpoolctl"):
        if not installed(package):
            return f"{package} is not installed; {ADVICE}"
    return True
