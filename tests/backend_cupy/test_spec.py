"""The CuPy plugin where there is no GPU: it costs nothing to have, and says why it cannot run."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.links as L
from kusari.backend.discovery import registry
from kusari.backend.spec import BackendSpec
from kusari.cli import main
from kusari.errors import BackendUnavailable
from kusari_cupy import spec


class CUDARuntimeError(RuntimeError):
    """Stands in for CuPy's."""


def pretend_cupy(monkeypatch: pytest.MonkeyPatch, version: str, device_count: Any) -> None:
    """Put a module in CuPy's place that has a version and counts devices, which is all that the checks ask."""
    module = ModuleType("cupy")
    runtime = SimpleNamespace(getDeviceCount=device_count, CUDARuntimeError=CUDARuntimeError)
    module.__dict__.update(__version__=version, cuda=SimpleNamespace(runtime=runtime))
    monkeypatch.setitem(sys.modules, "cupy", module)


def no_driver() -> int:
    raise CUDARuntimeError("cudaErrorInsufficientDriver")


def registered() -> BackendSpec:
    answer = spec.kusari_register_backend()
    assert isinstance(answer, BackendSpec)
    return answer


def test_the_spec_is_cheap_and_complete() -> None:
    command = "import sys, kusari_cupy.spec; sys.exit('cupy' in sys.modules or 'array_api_compat' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
    assert registered().name == "cupy"
    assert registered().base is None


def test_missing_cupy_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendUnavailable, match=r"CuPy is not installed; pip install .*\[cuda13\]"):
        registered().open()


def test_broken_cupy_keeps_its_own_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.raises(BackendUnavailable, match=r"cannot be imported: libcudart\.so\.13"):
        registered().open()


def test_old_cupy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cupy(monkeypatch, "13.6.0", lambda: 1)
    with pytest.raises(BackendUnavailable, match=r"CuPy 13\.6\.0 is too old, 14 or newer"):
        registered().open()


@pytest.mark.parametrize(
    ("device_count", "reason"), [(no_driver, "cudaErrorInsufficientDriver"), (lambda: 0, "no GPU is visible")]
)
def test_a_machine_without_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch, device_count: Any, reason: str) -> None:
    pretend_cupy(monkeypatch, "14.0.0", device_count)
    with pytest.raises(BackendUnavailable, match=reason):
        registered().open()


def test_what_needs_a_gpu_says_why_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_opened", {k: v for k, v in registry._opened.items() if k not in ("cupy", "triton")})
    monkeypatch.setattr(registry, "_failures", {})
    pretend_cupy(monkeypatch, "14.0.0", lambda: 0)
    reason = "backend 'cupy': no GPU is visible; see nvidia-smi"
    link = L.Linear(2, 3)
    for attempt in (
        lambda: kusari.get_device("cupy:0"),
        lambda: link.to_device("cupy:0"),
        lambda: kusari.Variable(np.ones(2, "f")).to_device("cupy:0"),
        lambda: kusari.use_backend("cupy").__enter__(),
    ):
        with pytest.raises(BackendUnavailable, match=reason):
            attempt()
    assert link.W.device.name == "numpy"


def test_it_is_listed_as_unavailable_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "_opened", {k: v for k, v in registry._opened.items() if k not in ("cupy", "triton")})
    monkeypatch.setattr(registry, "_failures", {})
    pretend_cupy(monkeypatch, "14.0.0", no_driver)
    assert main(["info"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "cupy" in text
    assert "no usable GPU or driver: cudaErrorInsufficientDriver" in text
