"""The plugin: cheap to have, and plain about why it cannot run."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from kusari.backend import Backend
from kusari.errors import BackendUnavailable
from kusari_triton import backend as module
from kusari_triton import interpreter, spec

Run = Callable[[str], "subprocess.CompletedProcess[str]"]


def test_the_specs_are_cheap_and_complete() -> None:
    command = "import sys, kusari_triton.spec; sys.exit('triton' in sys.modules)"
    subprocess.run([sys.executable, "-c", command], check=True)
    names = {found.name: found.base for found in spec.kusari_register_backend()}
    assert names == {"triton": "cupy", "triton-interpret": "numpy"}


def test_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    for opener in (module.open_triton, module.open_interpreter):
        with pytest.raises(BackendUnavailable, match="pip install 'triton"):
            opener()


@pytest.mark.parametrize("version", ["3.5.1", "3.10.0", "4.0.0+git"])
def test_with_a_triton_that_was_not_tested(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    with pytest.raises(BackendUnavailable, match=r"needs Triton 3\.6 to 3\.9, found"):
        module.open_interpreter()


def test_without_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "3.6.0")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(BackendUnavailable, match="TRITON_INTERPRET=1 was set before Python started"):
        module.open_interpreter()


def test_compiled_kernels_are_not_for_an_interpreting_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "3.9.0")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with pytest.raises(BackendUnavailable, match="but TRITON_INTERPRET is set"):
        module.open_triton()


def test_arrays_are_the_bases(backend: Backend) -> None:
    assert backend.name == "triton-interpret"
    assert backend.base is not None
    assert backend.base.name == "numpy"
    assert isinstance(backend.from_host(np.ones(2)), np.ndarray)
    assert "bfloat16" in backend.dtypes


def test_pytorch_is_not_needed(interpreting: Run) -> None:
    done = interpreting(
        "from kusari.backend import get_backend; from kusari.kernels.activation import tanh; import numpy as np\n"
        "assert abs(tanh(get_backend('triton-interpret'), np.ones(3, 'f')) - np.tanh(1)).max() < 1e-6"
    )
    assert done.returncode == 0, done.stderr


def test_repairing_twice_changes_nothing(backend: Backend) -> None:
    from triton.runtime import interpreter as tritons

    interpreter.repair()
    before = tritons.InterpreterBuilder.create_dot
    interpreter.repair()
    assert tritons.InterpreterBuilder.create_dot is before
