"""The backends that every test of the core runs on: NumPy's, and the one that allows nothing beyond the standard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari.autograd import Variable
from kusari.backend import Backend, Device, get_backend, registry

# Portable code is promised to need no more than this version of the standard.
os.environ.setdefault("ARRAY_API_STRICT_API_VERSION", "2024.12")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what starts processes to a run without workers: theirs have no main module that a new process imports."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        for item in items:
            if item.get_closest_marker("processes") is not None:
                item.add_marker(pytest.mark.skip(reason="starts processes of its own: runs without -n"))


def strict_backend() -> Backend:
    """Return the backend ``strict``: the template package's where that is installed, else an equal one."""
    xp = pytest.importorskip("array_api_strict", reason="needs array-api-strict")
    if "strict" not in registry.specs() and all(backend.name != "strict" for backend in registry.opened()):
        registry.add(Backend("strict", xp, (type(xp.empty(0)),)))
    return get_backend("strict")


@pytest.fixture(scope="session", params=["numpy", "strict"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Run the test on each of the two backends."""
    return strict_backend() if request.param == "strict" else get_backend(request.param)


@pytest.fixture(scope="session")
def strict() -> Backend:
    """Run the test on ``strict`` alone: what NumPy is too forgiving for, or what needs several devices."""
    return strict_backend()


@pytest.fixture(scope="session")
def device(backend: Backend) -> Device:
    """The first device of ``backend``."""
    return Device(backend)


@pytest.fixture(scope="session")
def array(backend: Backend) -> Callable[..., Any]:
    """Return a function that makes an array of ``backend``, float64 or as told: ``array([1, 2], "float32")``."""

    def make(values: Any, dtype: str = "float64") -> Any:
        return backend.from_host(np.asarray(values, dtype=dtype))

    return make


@pytest.fixture(scope="session")
def variable(array: Callable[..., Any]) -> Callable[..., Variable]:
    """Return a function that makes a Variable of ``backend``: ``variable([1, 2], "float32", name="x")``."""

    def make(values: Any, dtype: str = "float64", **options: Any) -> Variable:
        return Variable(array(values, dtype), **options)

    return make


@pytest.fixture(scope="session")
def host(backend: Backend) -> Callable[[Any], np.ndarray[Any, Any]]:
    """Return a function that gives the numbers of an array or a Variable of ``backend`` as a NumPy array."""
    return lambda value: backend.to_host(getattr(value, "array", value))


@pytest.fixture(scope="session")
def run_python() -> Callable[..., str]:
    """Return a function that runs code in a fresh interpreter and returns what it printed.

    Keywords are environment variables; the KUSARI_ ones of this process are not handed on.
    """

    def run(code: str, **variables: str) -> str:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KUSARI_")}
        command = [sys.executable, "-W", "error", "-c", code]
        done = subprocess.run(command, env=inherited | variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
