"""Every example but the digits, as a user runs it to see that it works: seconds, generated data, real results."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kusari.backend import registry
from kusari.serializers import NpzDeserializer

EXAMPLES = Path(__file__).parents[2] / "examples"


class Example(NamedTuple):
    """A script, and what its run must come to."""

    script: str
    loss: str
    least: float
    """What share of the first epoch's loss the last one's may be at most."""
    files: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


SMOKES = {
    "mnist": Example(
        "mnist/train_mnist.py",
        "validation/main/loss",
        0.5,
        ("model.npz", "loss.png", "accuracy.png", "cg.dot"),
        needs=("matplotlib",),
    ),
    "cifar-nin": Example("cifar/train_cifar.py", "main/loss", 0.9, ("best.npz",), ("--model", "nin")),
    "cifar-vgg": Example("cifar/train_cifar.py", "main/loss", 0.9, ("best.npz",), ("--model", "vgg")),
    "ptb": Example("ptb/train_ptb.py", "validation/main/loss", 0.7, ("model.npz",)),
    "vae": Example(
        "vae/train_vae.py",
        "validation/main/loss",
        0.6,
        ("model.npz", "reconstructed.png", "sampled.png"),
        needs=("matplotlib",),
    ),
    # The generator's loss may rise while it learns: the other one learns, too.
    "dcgan": Example(
        "dcgan/train_dcgan.py", "dis/loss", 0.9, ("gen.npz", "dis.npz", "image00000018.png"), needs=("matplotlib",)
    ),
}


def run(example: Example, out: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run the script, and return its log."""
    for package in example.needs:
        pytest.importorskip(package, reason=f"the example needs {package}")
    command = [sys.executable, "-W", "error", str(EXAMPLES / example.script), "--smoke", "--out", str(out)]
    command += [*example.arguments, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "agg"}, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((out / "log").read_text())


@pytest.mark.parametrize("name", SMOKES)
def test_it_learns_and_writes_what_it_promises(name: str, tmp_path: Path) -> None:
    example = SMOKES[name]
    log = run(example, tmp_path)
    assert log[-1][example.loss] <= example.least * log[0][example.loss]
    assert all(math.isfinite(value) for entry in log for value in entry.values() if isinstance(value, float))
    for file in example.files:
        path = tmp_path / file
        assert path.stat().st_size > 100, file
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        if path.suffix == ".npz":
            with np.load(path) as saved:
                assert len(saved.files) > 3
                assert all(np.isfinite(saved[key]).all() for key in saved.files)
    (snapshot,) = tmp_path.glob("snapshot_iter_*")
    with np.load(snapshot) as saved:
        assert NpzDeserializer(saved)("updater/iteration", 0) == log[-1]["iteration"]


def test_a_second_run_goes_on_from_the_first(tmp_path: Path) -> None:
    before = run(SMOKES["mnist"], tmp_path)
    again = run(SMOKES["mnist"], tmp_path, "--resume")
    assert again == before, "it had ended: nothing was left to do"


def test_on_another_backend(tmp_path: Path) -> None:
    if "strict" not in registry.specs():
        pytest.skip("backend 'strict' is not installed")
    log = run(SMOKES["mnist"], tmp_path, "--device", "strict:0")
    reference = run(SMOKES["mnist"], tmp_path / "numpy")
    assert log[-1]["main/loss"] == pytest.approx(reference[-1]["main/loss"], rel=1e-3)


def test_every_example_is_here() -> None:
    folders = {path.parent.name for path in EXAMPLES.glob("*/train_*.py")} - {"imagenet_models"}
    assert folders == {example.script.split("/")[0] for example in SMOKES.values()}
    for folder in folders:
        assert (EXAMPLES / folder / "README.md").stat().st_size > 200
