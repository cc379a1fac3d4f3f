"""What the hooks that look at a GPU need: its backend, and modules of libraries that come with it."""

from __future__ import annotations

import importlib
from types import ModuleType

from kusari.backend import Backend, get_device
from kusari.errors import UnknownBackend


def gpu_backend(hook: str) -> Backend:
    """Return the backend of GPUs.

    Raises:
        RuntimeError: There is no GPU, or no backend for it; the text says what to install.
    """
    try:
        return get_device(0).backend  # a plain number names a GPU
    except UnknownBackend as error:
        raise RuntimeError(f"{hook} needs a GPU: {error}") from None


def first_module(names: tuple[str, ...], hook: str, advice: str) -> ModuleType:
    """Return the first of some modules that is installed.

    Raises:
        RuntimeError: None is.
    """
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise RuntimeError(f"{hook} needs {' or '.join(names)}: {advice}")
