"""The plugin: expected failures, expected choices, options, and that it leaves other people's runs alone."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kusari.backend import Backend, get_backend
from kusari.kernels import activation
from kusari.kernels.conv import Convolution
from kusari_testkit.xfails import read_expectations, read_xfails

Register = Callable[[Backend], Backend]
KERNELS = "kusari_testkit.conformance.test_l2_kernels"
XFAILS = "kusari_testkit.conformance.test_xfails"
CHOSEN = "kusari_testkit.conformance.test_chosen"


@pytest.fixture
def wrong(registered: Register) -> Backend:
    """A backend whose tanh is off for every input, so that a few known tests fail."""
    backend = registered(Backend("wrong", np, base=get_backend("numpy")))

    @backend.implements(activation.tanh)
    def off(backend: Backend, x: Any) -> Any:
        return np.tanh(x) + np.asarray(1, x.dtype)

    return backend


RUN = ("--backend", "wrong", "--case", "tanh:image", "-k", "test_values or test_result_type or xfails")


def test_an_expected_failure_passes_and_its_reason_is_shown(wrong: Backend, run_kit: Any) -> None:
    Path("xfails.txt").write_text("# what is open\n\ntest_values[wrong-tanh:image  # it adds one\n")
    outcome = run_kit(*RUN, "--xfails-file", "xfails.txt", modules=(KERNELS, XFAILS))
    assert outcome.failed == {}
    assert outcome.exit_code == 0
    assert set(outcome.skipped.values()) == {"it adds one"}


def test_an_expected_failure_that_passes_fails(wrong: Backend, run_kit: Any) -> None:
    Path("xfails.txt").write_text("tanh:image  # it adds one\n")  # test_result_type passes all the same
    outcome = run_kit(*RUN, "--xfails-file", "xfails.txt", modules=(KERNELS, XFAILS))
    assert outcome.exit_code == 1
    assert "XPASS(strict)" in outcome.text_of("test_result_type")
    assert not outcome.text_of("test_values")


def test_an_entry_that_names_nothing_fails(wrong: Backend, run_kit: Any) -> None:
    Path("xfails.txt").write_text("test_values[wrong-tanh:image  # it adds one\ntanh:imagge  # a slip of the pen\n")
    outcome = run_kit(*RUN, "--xfails-file", "xfails.txt", modules=(KERNELS, XFAILS))
    text = outcome.text_of("test_every_entry_names_a_test")
    assert "1 of 2 entries name no test of this run" in text
    assert "xfails.txt:2: tanh:imagge  # a slip of the pen" in text


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("relu:image", "no reason; write: relu:image  # why"),
        ("relu:image  #  ", "no reason"),
        ("relu  # one\nrelu  # two", "xfails.txt:2: 'relu' is listed twice"),
    ],
)
def test_malformed_xfails(line: str, complaint: str, run_kit: Any, capfd: pytest.CaptureFixture[str]) -> None:
    path = Path("xfails.txt")
    path.write_text(line)
    with pytest.raises(ValueError, match=r"xfails\.txt"):
        read_xfails(path)
    outcome = run_kit("--backend", "numpy", "--xfails-file", "xfails.txt", modules=(XFAILS,))
    assert outcome.exit_code == pytest.ExitCode.USAGE_ERROR
    assert complaint in capfd.readouterr().err


def test_a_missing_file_and_a_missing_backend(run_kit: Any, capfd: pytest.CaptureFixture[str]) -> None:
    for options, complaint in (
        (("--backend", "numpy", "--xfails-file", "nowhere.txt"), "nowhere.txt"),
        ((), "which backend shall be judged?"),
        (("--backend", "nonesuch"), "nonesuch"),
        (("--backend", "numpy:5"), "numpy:5"),
    ):
        outcome = run_kit(*options, modules=("kusari_testkit.conformance.test_l0_names",))
        assert outcome.exit_code != 0
        captured = capfd.readouterr()
        assert complaint in captured.err + captured.out


def test_the_chosen_implementation_is_asserted(run_kit: Any, registered: Register) -> None:
    backend = registered(Backend("wrong", np, base=get_backend("numpy")))

    class Fast(Convolution):
        contract = 1

        @classmethod
        def accepts(cls, problem: Any) -> bool | str:
            return True if problem.groups == 1 else "one group only"

    backend.implements(Convolution)(Fast)

    @backend.implements(activation.relu)
    def quick_relu(backend: Backend, x: Any) -> Any:
        return np.maximum(x, 0)

    def chosen(*lines: str) -> Any:
        Path("chosen.txt").write_text("\n".join(lines))
        return run_kit("--backend", "wrong", "--expect-chosen", "chosen.txt", modules=(CHOSEN,))

    right = ("relu  quick_relu", "relu_grad compiled  # from the base", "Convolution:image:float32  Fast")
    assert chosen(*right, "Convolution:image:float64  wrong").failed == {}
    text = chosen("Convolution:groups-2:float32  Fast").text_of("test_chosen")
    assert "expected Fast for Convolution:groups-2:float32" in text
    assert "no: one group only" in text
    text = chosen("Convolution:imag:float32  Fast").text_of("test_chosen")
    assert "no such case; near: Convolution:image:float32" in text
    assert "no kernel is called 'rellu'" in chosen("rellu  Fast").text_of("test_chosen")


def test_malformed_expectations(tmp_path: Path) -> None:
    path = tmp_path / "chosen.txt"
    path.write_text("relu")
    with pytest.raises(ValueError, match=r"chosen.txt:1: expected a kernel"):
        read_expectations(path)


def test_the_small_kit_is_part_of_the_full_one(run_kit: Any) -> None:
    full = run_kit("--backend", "numpy", "--case", "tanh:", modules=(KERNELS,))
    small = run_kit("--backend", "numpy", "--case", "tanh:", "--kit-size", "small", modules=(KERNELS,))
    assert set(small.passed) < set(full.passed)
    everything, quick = ({name.partition("[")[0] for name in run.passed} for run in (full, small))
    assert quick == everything  # of a backend without a base
    assert small.failed == full.failed == {}


def test_several_backends_are_judged_at_once(run_kit: Any, registered: Register) -> None:
    registered(Backend("second", np, base=get_backend("numpy")))
    options = ("--backend", "numpy", "--backend", "second", "--case", "tanh:image")
    passed = run_kit(*options, modules=(KERNELS,)).passed
    assert {name.partition("[")[2].partition("-")[0] for name in passed} == {"numpy", "second"}
    assert len(passed) % 2 == 0


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a fresh process that has the plugin loaded without naming it on the command line."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    installed = any(found.name == "kusari_testkit" for found in importlib.metadata.entry_points(group="pytest11"))
    plugins = {} if installed else {"PYTEST_PLUGINS": "kusari_testkit.plugin"}
    environment = inherited | plugins | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pytest.ini", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_it_leaves_other_runs_alone(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n"
        "    for name in ('--backend', '--case', '--xfails-file', '--kit-size'):\n"
        "        parser.addoption(name)\n"
    )
    (tmp_path / "test_own.py").write_text(
        "import sys\n"
        "def test_own(request):\n"
        "    assert request.config.getoption('--backend') == 'mine'\n"
        "    assert not any(name == 'kusari' or name.startswith('kusari.') for name in sys.modules)\n"
    )
    done = run_pytest(tmp_path, "--backend", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_docstring_examples_run_without_a_backend(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    done = run_pytest(tmp_path, "--doctest-modules", "--collect-only", "--pyargs", "kusari_testkit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "comparison" in done.stdout
    assert "conformance" not in done.stdout
