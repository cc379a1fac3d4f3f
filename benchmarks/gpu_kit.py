"""The part ``kit`` of `gpu.py`: whether everything is right on this GPU, by the conformance suite and the example."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree as ET

from benchmarks.gpu_session import ROOT, Session

LISTED: Final = 100
"""Failing tests that are named."""
_PLUGIN: Final = "kusari_testkit.plugin"
SANITIZER: Final = "compute-sanitizer"
SANITIZED: Final = ("Convolution", "Pooling", "Normalization", "scatter", "relu", "softmax")
"""Cases for the memory checker, under which everything is some 10 to 100 times slower."""
ACCURACY: Final = 0.95
"""What the example must reach: it gets 0.98 and more."""

# Pools hand out pieces of large blocks, so that an index beyond an array's end stays within what was allocated.
_WITHOUT_POOL: Final = (
    "import sys, pytest\n"
    "try:\n    import cupy\n    cupy.cuda.set_allocator(None)\nexcept ImportError:\n    pass\n"
    "sys.exit(pytest.main(sys.argv[1:]))"
)


class Step(NamedTuple):
    """A command, and where its tests' results go."""

    name: str
    command: Sequence[str]
    report: Path | None = None
    skip: str | None = None
    """Why it cannot be run here."""


def run_kit(session: Session) -> Iterator[dict[str, Any]]:
    """Yield a row for each step: outcome, counts, and what failed."""
    with tempfile.TemporaryDirectory() as folder:
        for step in steps(session, Path(folder)):
            yield run_step(step, session.seconds_left)


def steps(session: Session, folder: Path) -> Iterator[Step]:
    """Yield the suite on each device, the example on each, and the memory checker where it is."""
    for device in session.devices:
        report = folder / f"kit-{device.replace(':', '-')}.xml"
        yield Step(f"kit on {device}", [sys.executable, "-m", "pytest", *_suite(session, device, report)], report)
    for device in session.devices:
        yield Step(f"digits on {device}", _digits(session, device, folder))
    found = shutil.which(SANITIZER) or shutil.which(SANITIZER, path="/usr/local/cuda/bin")
    for device in session.devices:
        name, report = f"memcheck on {device}", folder / f"memcheck-{device.replace(':', '-')}.xml"
        if found is None:
            yield Step(name, [], skip=f"{SANITIZER} is not on this machine")
            continue
        cases = [word for case in SANITIZED for word in ("--case", case)]
        tests = [*_suite(session, device, report), "--kit-size", "small", *cases]
        checker = [found, "--tool", "memcheck", "--error-exitcode", "9"]
        yield Step(name, [*checker, sys.executable, "-c", _WITHOUT_POOL, *tests], report)


def _suite(session: Session, device: str, report: Path) -> list[str]:
    # No file of expected failures: a kernel that goes by way of the host, or reads a value within a step, fails.
    options = ["--backend", device, *([] if device == "numpy" else ["--no-host-kernels"])]
    if session.smoke:
        options += ["--kit-size", "small", "--case", "relu"]
    installed = any(point.value == _PLUGIN for point in importlib.metadata.entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", _PLUGIN]
    return [*plugin, "--pyargs", "kusari_testkit.conformance", *options, "-q", "--tb=line", f"--junitxml={report}"]


def _digits(session: Session, device: str, folder: Path) -> list[str]:
    script = ROOT / "examples" / "digits" / "train.py"
    out = folder / f"digits-{device.replace(':', '-')}"
    short = ["--epochs", "1", "--samples", "64"] if session.smoke else []
    return [sys.executable, str(script), "--device", device, "--out", str(out), *short]


def run_step(step: Step, seconds: float) -> dict[str, Any]:
    """Run a step for so long at most, and return its row."""
    row: dict[str, Any] = {"step": step.name, "outcome": "passed", "seconds": 0.0}
    if step.skip is not None or seconds <= 0:
        return row | {"outcome": f"skipped: {step.skip or 'no time was left'}"}
    start = time.monotonic()
    try:
        done = subprocess.run(
            step.command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return row | {"outcome": "stopped: time was up", "seconds": round(time.monotonic() - start, 1)}
    row["seconds"] = round(time.monotonic() - start, 1)
    if step.report is not None:
        row |= counts(step.report)
    accuracy = next((line for line in done.stdout.splitlines() if line.startswith("test accuracy")), None)
    if accuracy is not None:
        row["result"] = accuracy
    if done.returncode:
        row |= {"outcome": f"failed ({done.returncode})", "output": (done.stdout + done.stderr)[-3000:]}
    elif accuracy is not None and "--samples" not in step.command and float(accuracy.split()[2]) < ACCURACY:
        row["outcome"] = f"failed: below {ACCURACY}"
    return row


def counts(report: Path) -> dict[str, Any]:
    """Return how many tests a JUnit file has of each outcome, and which failed or were skipped for what reason."""
    found: dict[str, Any] = {"passed": 0, "failed": 0, "skipped": 0}
    failures: list[str] = []
    reasons: dict[str, int] = {}
    try:
        tests = ET.parse(report).iter("testcase")
    except (OSError, ET.ParseError):
        return {}
    for test in tests:
        bad = test.find("failure") if test.find("failure") is not None else test.find("error")
        skipped = test.find("skipped")
        if bad is not None:
            found["failed"] += 1
            failures.append(f"{test.get('name')}: {(bad.get('message') or '').partition(chr(10))[0]}")
        elif skipped is not None:
            found["skipped"] += 1
            reason = skipped.get("message") or ""
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            found["passed"] += 1
    if failures:
        found["failures"] = failures[:LISTED]
    return found | ({"skipped_because": reasons} if reasons else {})


def kit_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| step | outcome | passed | failed | skipped | seconds |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        numbers = [str(row.get(name, "")) for name in ("passed", "failed", "skipped")]
        outcome = row["outcome"] + (f"; {row['result']}" if "result" in row else "")
        lines.append(f"| {row['step']} | {outcome} | {' | '.join(numbers)} | {row['seconds']} |")
    return "\n".join(lines) + "\n"
