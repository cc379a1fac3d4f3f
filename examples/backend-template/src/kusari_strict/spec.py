"""The plugin: what core asks of it before anything heavy is imported."""

from __future__ import annotations

from kusari.backend import BackendSpec, hookimpl


@hookimpl
def kusari_register_backend() -> BackendSpec:
    """Return the spec of the backend ``strict``."""
    return BackendSpec(
        "strict", "kusari_strict.backend:open_backend", contract=2, install="pip install array-api-strict"
    )
