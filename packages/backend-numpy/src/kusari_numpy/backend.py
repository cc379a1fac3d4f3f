"""The backend ``numpy``: host arrays, portable kernels, and the overrides in ``kernels/``."""

from __future__ import annotations

import importlib
from typing import Final

import numpy as np

from kusari.backend import Backend

KERNEL_MODULES: Final = ("conv", "norm", "pooling", "scatter", "softmax")
"""Modules of ``kusari_numpy.kernels`` with a ``register(backend)``; each mirrors core's module of that name."""


def open_backend() -> Backend:
    """Return the backend, with its overrides registered."""
    backend = Backend("numpy", np, (np.ndarray,), contract=1)
    for name in KERNEL_MODULES:
        importlib.import_module(f"kusari_numpy.kernels.{name}").register(backend)
    return backend
