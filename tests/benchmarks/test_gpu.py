"""The GPU's benchmark where there is no GPU: its arguments, its reports, and every part on tiny shapes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import gpu, gpu_kit, gpu_parts, gpu_rows
from benchmarks.gpu_rows import Case, Work
from benchmarks.gpu_session import Session
from benchmarks.workloads import models
from benchmarks.workloads.builders import Links
from benchmarks.workloads.layers import Layer
from benchmarks.workloads.placement import Placement

SCRIPT = Path(gpu.__file__)
PEAKS = {"fp32": 1e12, "copy": 1e11}


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def session() -> Session:
    return Session(("numpy",), None, smoke=True, minutes=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--part"),
        (["--part", "everything"], "invalid choice"),
        (["--part", "kit", "--device", "cpu"], "for --smoke"),
        (["--part", "layers", "--minutes", "0"], "expected a positive number"),
        (["--part", "layers", "--numbers", "fp8"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_named(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        gpu.parse(words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_machine_without_a_gpu_gets_one_line() -> None:
    done = run("--part", "layers", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert done.stderr.startswith("benchmarks/gpu.py: ")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_a_backend_of_the_wrong_kind_gets_one_line() -> None:
    done = run("--part", "layers", "--device", "cpu", "--smoke", "--backend", "nothing-of-that-name")
    assert done.returncode == 2
    assert "no backend is called 'nothing-of-that-name'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("part", "only"), [("layers", "L6"), ("layers", "mlpconv"), ("models", "NIN"), ("latency", "launch")]
)
def test_timed_parts_run_on_tiny_shapes(part: str, only: str, tmp_path: Path) -> None:
    words = ["--part", part, "--only", only, "--device", "cpu", "--smoke", "--no-torch", "--out", str(tmp_path)]
    assert gpu.main(words) == 0
    figures = json.loads((tmp_path / f"gpu-{part}.json").read_text())
    assert figures["machine"]["processor"]
    assert figures["rows"]
    assert not figures["left_out"]
    for row in figures["rows"]:
        assert only in row["key"]
        assert "failed" not in row
        assert row["sides"]["numpy"]["ms"] > 0
        assert ("roofline" in row["sides"]["numpy"]) == (part == "layers")
    page = (tmp_path / f"gpu-{part}.md").read_text()
    assert figures["machine"]["processor"] in page
    assert all(f"| {row['workload']} |" in page for row in figures["rows"])


def test_pytorch_is_the_denominator(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    words = ["--part", "layers", "--only", "L6", "--device", "cpu", "--smoke", "--out", str(tmp_path)]
    assert gpu.main(words) == 0
    for row in json.loads((tmp_path / "gpu-layers.json").read_text())["rows"]:
        sides = row["sides"]
        middle, low, high = sides["numpy"]["ratio"]
        assert low <= middle <= high
        assert "ratio" not in sides["torch"]
        assert sides["torch"]["setting"].startswith("eager")


def test_rows_are_added_to_those_of_the_same_machine(tmp_path: Path) -> None:
    arguments = gpu.parse(["--part", "layers", "--device", "cpu", "--smoke", "--out", str(tmp_path)])

    def row(key: str, ms: float) -> dict[str, Any]:
        side = {"ms": ms, "interval": [ms, ms], "setting": ""}
        return {"workload": key, "group": "forward", "numbers": "fp32", "key": key, "sides": {"numpy": side}}

    here, elsewhere = {"processor": "here"}, {"processor": "elsewhere"}
    gpu.write(arguments, here, {"rows": [row("a", 1.0), row("b", 2.0)], "left_out": ["c"]})
    path = gpu.write(arguments, here, {"rows": [row("b", 3.0), row("c", 4.0)], "left_out": ["a", "d"]})
    figures = json.loads(path.read_text())
    assert {one["key"]: one["sides"]["numpy"]["ms"] for one in figures["rows"]} == {"a": 1.0, "b": 3.0, "c": 4.0}
    assert figures["left_out"] == ["d"]
    assert "Left out, for want of time: d." in path.with_suffix(".md").read_text()
    gpu.write(arguments, elsewhere, {"rows": [row("d", 5.0)], "left_out": []})
    assert [one["key"] for one in json.loads(path.read_text())["rows"]] == ["d"]


def test_a_setting_that_fails_is_named_and_the_others_count(session: Session) -> None:
    def broken() -> Any:
        raise RuntimeError("too many registers\nand more")

    made = {"good": lambda: lambda: np.ones(3).sum(), "bad": broken}
    case = Case("one", "forward", "fp32", Placement(), {"numpy": made, "torch": {"": broken}}, Work(1e6, 1e3))
    row = gpu_rows.measure(session, case, PEAKS)
    assert row["failed"] == {
        "numpy bad": "RuntimeError: too many registers",
        "torch": "RuntimeError: too many registers",
    }
    assert row["sides"]["numpy"]["setting"] == "good"
    assert gpu_rows.table([row], ["numpy", "torch"]).splitlines()[2].split("|")[8].strip() == "failed"


def test_the_fastest_setting_counts(session: Session) -> None:
    slow, fast = (lambda size=size: lambda: np.ones(size).sum() for size in (3_000_000, 3))
    case = Case("one", "forward", "fp32", Placement(), {"numpy": {"slow": slow, "fast": fast}})
    assert gpu_rows.measure(session, case, PEAKS)["sides"]["numpy"]["setting"] == "fast"


def test_without_time_everything_is_left_out(tmp_path: Path) -> None:
    words = ["--part", "latency", "--minutes", "1e-9", "--device", "cpu", "--smoke", "--no-torch"]
    assert gpu.main([*words, "--out", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "gpu-latency.json").read_text())
    assert not figures["rows"]
    assert "relu · launch · fp32" in figures["left_out"]


def test_work_counts_what_loops_count() -> None:
    layer = Layer("small", 2, 4, 5, 6, 3, stride=2, pad=1, groups=2)
    x, W, _, gy = layer.arrays
    products = 0
    for pixel in np.ndindex(gy.shape):
        assert pixel[0] < 2
        products += W[0].size
    operations, width = gpu_parts.layer_work(layer, "bf16")(False)
    assert operations == 2 * products
    assert width == 2 * (x.size + W.size + gy.size)
    forward, both = (gpu_parts.layer_work(layer._replace(first=True), "fp32")(backward) for backward in (False, True))
    assert both == Work(2 * forward.operations, 2 * forward.bytes)


def test_the_roofline_is_what_binds() -> None:
    assert gpu_rows.roofline(Work(1e12, 1e9), "fp32", PEAKS) == 1.0
    assert gpu_rows.roofline(Work(1e9, 1e12), "fp32", PEAKS) == 10.0


REPORT = """<testsuites><testsuite>
<testcase name="good"/><testcase name="bad"><failure message="1 != 2&#10;more"/></testcase>
<testcase name="worse"><error message="no"/></testcase>
<testcase name="not here"><skipped message="one device"/></testcase>
</testsuite></testsuites>"""


def test_outcomes_are_counted(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert gpu_kit.counts(report) == {
        "passed": 1,
        "failed": 2,
        "skipped": 1,
        "failures": ["bad: 1 != 2", "worse: no"],
        "skipped_because": {"one device": 1},
    }
    assert gpu_kit.counts(tmp_path / "missing.xml") == {}


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ("print('test accuracy 0.9800 on 10 digits')", "passed"),
        ("print('test accuracy 0.5000 on 10 digits')", "failed: below 0.95"),
        ("import sys; sys.exit(3)", "failed (3)"),
        ("import time; time.sleep(60)", "stopped: time was up"),
    ],
)
def test_steps_of_the_kit_have_an_outcome(command: str, outcome: str) -> None:
    row = gpu_kit.run_step(gpu_kit.Step("step", [sys.executable, "-c", command]), seconds=2)
    assert row["outcome"] == outcome
    assert outcome in gpu_kit.kit_table([row])


def test_a_step_without_time_or_tool_is_skipped_with_the_reason() -> None:
    assert gpu_kit.run_step(gpu_kit.Step("a", [], skip="no tool"), 9)["outcome"] == "skipped: no tool"
    assert gpu_kit.run_step(gpu_kit.Step("a", ["true"]), 0)["outcome"] == "skipped: no time was left"


def test_the_kit_allows_nothing_on_a_gpu(session: Session, tmp_path: Path) -> None:
    session.smoke, session.devices = False, ("cupy:0",)
    command = next(iter(gpu_kit.steps(session, tmp_path))).command
    assert "--no-host-kernels" in command
    assert not any("xfail" in word or "kit-size" in word for word in command)


def test_half_precision_reaches_everything_but_normalization() -> None:
    from benchmarks.workloads import layers

    place = Placement(dtype="float16")
    layer = gpu_parts.smaller(layers.LAYERS[1])
    layers.our_layer(layer, True, "channels_last", place)()()
    assert layers.our_layer(layer, False, "contiguous", place)()().dtype == np.float16
    assert layers.our_block(False, "channels_last", place, batch=1)()().dtype == np.float16
    model = place.to_device(models.vgg(Links("kusari")))
    found = {name.rpartition("/")[2]: parameter.dtype for name, parameter in model.namedparams()}
    assert {name: str(dtype) for name, dtype in found.items()} == {
        "W": "float16",
        "b": "float16",
        "gamma": "float32",
        "beta": "float32",
    }
