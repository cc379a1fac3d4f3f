"""The digits example, as a user runs it: every backend by name, a saved and reloaded model, a picture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kusari.backend import registry

pytest.importorskip("sklearn", reason="the digits are embedded in scikit-learn")
pytest.importorskip("matplotlib", reason="the example plots")

TRAIN = Path(__file__).parents[2] / "examples" / "digits" / "train.py"


def train(out: Path, *arguments: str) -> str:
    command = [sys.executable, str(TRAIN), "--out", str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "agg"}, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracy(output: str) -> float:
    return float(output.rpartition("test accuracy ")[2].split()[0])


def test_the_network_learns_to_read_and_its_file_gives_the_same_scores(tmp_path: Path) -> None:
    output = train(tmp_path, "--epochs", "4")
    assert accuracy(output) > 0.85
    assert "saved and reloaded" in output
    assert (tmp_path / "model.npz").stat().st_size > 10_000
    assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")
    assert output.count("epoch ") == 4, "plain lines where there is no terminal"


@pytest.mark.parametrize("device", ["strict", "strict:1", "triton-interpret"])
def test_the_same_script_runs_on_any_backend_by_name(device: str, tmp_path: Path) -> None:
    name = device.partition(":")[0]
    if name not in registry.specs():
        pytest.skip(f"backend {name!r} is not installed")
    if name == "triton-interpret" and os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("triton-interpret runs where TRITON_INTERPRET=1 was set")
    output = train(tmp_path, "--device", device, "--epochs", "1", "--samples", "96")
    assert f"device {device if ':' in device or name != 'strict' else 'strict:0'}" in output


def test_an_unknown_device_says_what_is_installed(tmp_path: Path) -> None:
    command = [sys.executable, str(TRAIN), "--out", str(tmp_path), "--device", "nonesuch"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "installed:" in done.stderr
