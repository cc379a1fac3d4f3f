"""The kit passes, without an expected failure, on the portable kernels: on NumPy's arrays, and on the strict ones."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
import importlib

from kusari.backend import Backend, BackendSpec, hookimpl


@hookimpl
def kusari_register_backend():
    return [BackendSpec(name, f"healthy:open_{name}", contract=1) for name in ("plain", "strictest")]


def open_plain():
    numpy = importlib.import_module("numpy")
    return Backend("plain", numpy, (numpy.ndarray,))


def open_strictest():
    strict = importlib.import_module("array_api_strict")
    return Backend("strictest", strict, (type(strict.empty(0)),))
"""


# One or two of each target; whole tables are judged where the conformance suite itself is run.
CASES = [word for label in ("image", "matrix", "broadcast-both") for word in ("--case", f":{label}")]


@pytest.mark.parametrize("name", ["plain", "strictest"])
def test_portable_kernels_pass(tmp_path: Path, name: str) -> None:
    pytest.importorskip("array_api_strict", reason="needs array-api-strict")
    (tmp_path / "healthy.py").write_text(PLUGIN)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\nxfail_strict = true\n")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("KUSARI_", "PYTEST_"))},
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
        "KUSARI_BACKEND_AUTOLOAD": "0",
        "KUSARI_PLUGINS": "healthy",
        "ARRAY_API_STRICT_API_VERSION": "2024.12",
    }
    installed = any(found.name == "kusari_testkit" for found in importlib.metadata.entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "kusari_testkit.plugin"]
    kit = [*plugin, "--pyargs", "kusari_testkit.conformance", *CASES]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-c", "pytest.ini"]
    done = subprocess.run(
        [*command, *kit, "--backend", name], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert "xfailed" not in done.stdout
