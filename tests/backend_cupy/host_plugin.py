"""A plugin for the conformance suite: the CuPy backend on host memory, its kernels compiled for the host.

    KUSARI_PLUGINS=tests.backend_cupy.host_plugin,-kusari-backend-cupy,-kusari-backend-triton \\
        python -m pytest --pyargs kusari_testkit.conformance --backend cupy --kit-size small
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.backend_cupy.host_cupy import HostArray, module

import kusari_cupy.kernels.softmax
from kusari.backend import Backend, BackendSpec, hookimpl
from kusari_cupy.backend import CupyBackend, register_kernels


class Namespace:
    """NumPy's functions, whose results are the stand-in's arrays."""

    def __init__(self, functions: Any) -> None:
        self._functions = functions

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._functions, name)
        if name in ("fft", "linalg"):
            return Namespace(found) if not callable(found) else self._wrapped(found)
        return found if isinstance(found, type) or not callable(found) else self._wrapped(found)

    def _wrapped(self, function: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            return _as_ours(function(*arguments, **keywords))

        call.__name__ = getattr(function, "__name__", "call")
        return call


def _as_ours(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value).view(HostArray)
    if isinstance(value, tuple):
        made = [_as_ours(one) for one in value]
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    return [_as_ours(one) for one in value] if isinstance(value, list) else value


class HostBackend(CupyBackend):
    """Without the types of 16 bits, which the host's compiler may lack."""

    @property
    def dtypes(self) -> frozenset[str]:
        return super().dtypes - {"float16", "bfloat16"}


def open_backend() -> Backend:
    kusari_cupy.kernels.softmax.WARP = 1  # type: ignore[misc]  # threads that exchange values cannot take turns
    backend: Any = HostBackend(module(), Namespace(np), 1)  # type: ignore[arg-type]
    register_kernels(backend)
    return backend  # type: ignore[no-any-return]


@hookimpl
def kusari_register_backend() -> BackendSpec:
    return BackendSpec("cupy", "tests.backend_cupy.host_plugin:open_backend", contract=1, install="")
