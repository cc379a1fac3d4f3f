"""The digits example, as a user runs it: every backend by name, a saved and reloaded model, pictures, resumed runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kusari.backend import registry

pytest.importorskip("sklearn", reason="the digits are embedded in scikit-learn")
pytest.importorskip("matplotlib", reason="the example plots")

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


def run(script: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(DIGITS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "agg"}, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def train(out: Path, *arguments: str) -> str:
    return run("train.py", "--out", str(out), *arguments)


def accuracy(output: str) -> float:
    return float(output.rpartition("test accuracy ")[2].split()[0].rstrip(":"))


def test_the_network_learns_to_read_and_its_file_gives_the_same_scores(tmp_path: Path) -> None:
    output = train(tmp_path, "--epochs", "4")
    assert accuracy(output) > 0.8
    assert "saved and reloaded" in output
    lines = [line.split() for line in output.splitlines()]
    table = [line[0] for line in lines if len(line) == 5 and line[0].isdigit()]
    assert table == ["1", "2", "3", "4"], "a line of the table for each epoch"
    for picture in ("loss.png", "accuracy.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")

    predicted = run("predict.py", str(tmp_path / "model.npz"))
    assert accuracy(predicted) == accuracy(output)
    misread = [line for line in predicted.splitlines() if line.startswith("read ")]
    assert len(misread) == round(360 * (1 - accuracy(output)))
    assert (tmp_path / "predictions.png").read_bytes().startswith(b"\x89PNG")


def test_a_resumed_run_ends_with_the_same_model(tmp_path: Path) -> None:
    train(tmp_path / "whole", "--epochs", "3", "--samples", "96")
    # As if the run had been stopped after its second epoch: later files are gone.
    snapshots = sorted((tmp_path / "whole").glob("snapshot_iter_*"), key=lambda path: int(path.name.split("_")[-1]))
    assert [path.name for path in snapshots] == ["snapshot_iter_6", "snapshot_iter_9"]
    part = tmp_path / "part"
    part.mkdir()
    (part / snapshots[0].name).write_bytes(snapshots[0].read_bytes())
    train(part, "--epochs", "3", "--samples", "96", "--resume", "--seed", "1")  # another seed: it must not matter
    assert (part / "model.npz").read_bytes() == (tmp_path / "whole" / "model.npz").read_bytes()
    logs = [json.loads((folder / "log").read_text()) for folder in (part, tmp_path / "whole")]
    for log in logs:
        for entry in log:
            del entry["elapsed_time"]
    assert logs[0] == logs[1]


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
    command = [sys.executable, str(DIGITS / "train.py"), "--out", str(tmp_path), "--device", "nonesuch"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "installed:" in done.stderr
