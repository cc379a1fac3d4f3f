"""Which kernels of a backend go by way of the host."""

from __future__ import annotations

import importlib

from kusari.backend import Backend, find_kernel, kernel_names


def host_kernels(backend: Backend) -> list[str]:
    """Return the names of the kernels that copy their arrays to the host and back."""
    importlib.import_module("kusari.kernels")  # which loads every kernel
    targets = [find_kernel(name) for name in kernel_names()]
    return [t.key for t in targets if backend.explain(t).chosen.override.source == "host"]
