"""The two questions that core asks a plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from kusari.backend.backend import Backend
    from kusari.backend.spec import BackendSpec

PROJECT: Final = "kusari"
hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)


@hookspec
def kusari_register_backend() -> BackendSpec | Sequence[BackendSpec]:
    """Return the spec, or specs, of the backends that this plugin provides.

    Asked once, when a backend is first looked up by name. Import nothing heavy here: the opener does.
    """
    raise NotImplementedError


@hookspec
def kusari_register_kernels(backend: Backend) -> None:
    """Override kernels on ``backend`` by ``@backend.implements(...)``, if it is one that you know.

    Called once for every backend that is opened, whoever provides it.
    """
