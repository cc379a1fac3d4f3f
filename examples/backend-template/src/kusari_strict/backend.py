"""The backend ``strict``: arrays of array_api_strict under Kusari's portable kernels, and overrides of single ones."""

from __future__ import annotations

import array_api_strict as xp

from kusari.backend import Backend
from kusari.kernels.activation import relu
from kusari.types import Array


def open_backend() -> Backend:
    """Return the backend: complete and correct as it is, and faster with every kernel that you override."""
    backend = Backend("strict", xp, (type(xp.empty(0)),), contract=2)

    @backend.implements(relu)
    def clipped_relu(backend: Backend, x: Array) -> Array:
        """max(x, 0), as one clip: put your library's fastest call here."""
        clipped: Array = backend.xp.clip(x, min=0)
        return clipped

    return backend
