"""The conformance suite over the plugin's own kernels, compiled for the host."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = "tests.backend_cupy.host_plugin,-kusari-backend-cupy,-kusari-backend-triton"


@pytest.mark.parametrize(
    "cases",
    [
        ("softmax", "scatter"),
        ("Convolution:",),
        ("MaxPooling", "AveragePooling", "momentum_sgd", "adam"),
        ("Normalization", "batch_normalization"),
        ("RoiMax", "RoiAverage", "roi_", "fast_rcnn"),
    ],
)
def test_the_kit_finds_nothing(cases: tuple[str, ...]) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler (g++) on this machine")
    suite = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "kusari_testkit.conformance"]
    options = ["--backend", "cupy", "--kit-size", "small", *(word for case in cases for word in ("--case", case))]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *suite, *options],
        cwd=ROOT,
        env=os.environ | {"KUSARI_PLUGINS": PLUGINS, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
