"""The plugin: what core asks of it."""

from __future__ import annotations

from kusari.backend import BackendSpec, hookimpl

INSTALL = "pip install 'kusari-backend-cupy[cuda13]' (or [cuda12])"


@hookimpl
def kusari_register_backend() -> BackendSpec:
    """Return the spec of the backend ``cupy``."""
    return BackendSpec("cupy", "kusari_cupy.backend:open_backend", contract=1, install=INSTALL)
