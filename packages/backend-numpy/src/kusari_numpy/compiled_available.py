"""Whether compiled kernels can be used."""

from __future__ import annotations

import importlib.util

from kusari.backend import Backend

ADVICE = "pip install 'kusari-backend-numpy[fast]'"


def compiled_available(backend: Backend) -> bool | str:
    """Return True, or what is missing. Nothing is imported before the first plan that is chosen."""
    for package in ("numba", "threadpoolctl"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed; {ADVICE}"
    return True
