"""The plugin: what core asks of it."""

from __future__ import annotations

from kusari.backend import BackendSpec, hookimpl


@hookimpl
def kusari_register_backend() -> BackendSpec:
    """Return the spec of the backend ``numpy``."""
    return BackendSpec("numpy", "kusari_numpy.backend:open_backend", contract=1)
