"""Kusari's conformance suite on this backend, and what must hold before it can start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kusari.backend import explain, get_backend, missing_names
from kusari.kernels.activation import relu


def test_the_plugin_is_found_and_its_array_module_is_complete() -> None:
    assert missing_names(get_backend("strict").xp) == []


def test_the_override_is_the_one_that_runs() -> None:
    assert explain(relu, device="strict").chosen.override.source == "strict"


def test_conformance() -> None:
    pytest.importorskip("kusari_testkit", reason="needs the conformance suite: pip install kusari-testkit")
    command = [sys.executable, "-m", "pytest", "-q", "--pyargs", "kusari_testkit.conformance", "--backend", "strict"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
