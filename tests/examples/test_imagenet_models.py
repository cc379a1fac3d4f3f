"""The example of networks for images, as a user runs it: a quick look, alone and beside PyTorch."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "examples" / "imagenet_models" / "run.py"


def run(*arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(RUN), "--smoke", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_networks_run_forward_and_backward() -> None:
    output = run("--threads", "1")
    assert re.findall(r"^(\w+) on numpy:?\d*, 1 images of (\d+)×", output, re.MULTILINE) == [
        ("ResNet50", "64"),
        ("GoogLeNet", "224"),
    ]
    assert len(re.findall(r"forward(?: \+ backward)?: \d+ ms", output)) == 4


def test_scores_are_those_of_the_twins() -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs PyTorch")
    output = run("--compare", "torch", "--models", "ResNet50", "--threads", "1")
    assert "ResNet50, fc6: scores are PyTorch's" in output
    assert len(re.findall(r"PyTorch \d+ ms, ratio \d+\.\d\d", output)) == 2
