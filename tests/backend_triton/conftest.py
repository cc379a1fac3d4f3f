"""What the Triton tests need: an interpreting process, or a compiling one, and caches of their own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from kusari.backend import Backend, get_backend

# Triton 3.6 imports PyTorch where it is installed, and does without where it is not.
WITHOUT_PYTORCH = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
"""

Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def _own_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep generated and compiled kernels out of the user's cache."""
    folder = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUSARI_CACHE", str(folder / "kusari"))
        patch.setenv("TRITON_CACHE_DIR", str(folder / "triton"))
        yield


@pytest.fixture(scope="session")
def backend() -> Backend:
    """The backend ``triton-interpret``."""
    pytest.importorskip("triton", reason="Triton is not installed")
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("Triton interprets kernels only where TRITON_INTERPRET=1 was set before Python started")
    return get_backend("triton-interpret")


@pytest.fixture
def compiling() -> Run:
    """Run Python code in a process that compiles kernels, and has no PyTorch."""
    pytest.importorskip("triton", reason="Triton is not installed")
    return functools.partial(_run, interpret="0")


@pytest.fixture
def interpreting() -> Run:
    """Run Python code in a process that interprets kernels, and has no PyTorch."""
    pytest.importorskip("triton", reason="Triton is not installed")
    return functools.partial(_run, interpret="1")


def _run(code: str, interpret: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TRITON_INTERPRET": interpret}
    command = [sys.executable, "-c", WITHOUT_PYTORCH + code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
