"""The types of the seam: mypy --strict rejects the wrong lines of typed_overrides.py, and nothing else there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import kusari

SOURCE = Path(__file__).with_name("typed_overrides.py")
MARKED = 24


def test_mypy_rejects_exactly_the_marked_lines(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="needs mypy")
    marked = {number for number, line in enumerate(SOURCE.read_text().splitlines(), 1) if line.endswith("# error")}
    assert len(marked) == MARKED
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\n[mypy-kusari.*]\nfollow_imports = silent\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--cache-dir", str(tmp_path)]
    options = ["--python-version", "3.11", "--no-pretty", "--hide-error-context", "--no-error-summary"]
    run = subprocess.run(
        [*command, *options, str(SOURCE)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(kusari.__path__[0]).parent,
    )
    assert run.returncode in (0, 1), run.stderr + run.stdout  # 2: mypy itself failed
    rejected = {int(found[1]) for found in re.finditer(r"^[^:\n]*:(\d+): error:", run.stdout, re.MULTILINE)}
    assert rejected == marked, run.stdout
