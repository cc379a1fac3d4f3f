"""Cross-compilation: what is shipped passes, and what spills, overflows or misses the tensor cores is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from kusari_triton.cross_compile import Resources

Run = Callable[[str], "subprocess.CompletedProcess[str]"]

CHECK = "from kusari_triton import compile_check; raise SystemExit(compile_check.main({arguments!r}))"


def test_shipped_kernels_pass(compiling: Run, tmp_path: Path) -> None:
    """Some of them, without PyTorch; ``nox -s compile`` checks all."""
    file = tmp_path / "resources.json"
    names = (
        "adam float32 rows",
        "stack 3x3 64-128-64 float16",
        "gradient of input 1x1 192-96 float16 channels-last",
        "gradient of filters 1x1 192-96 float16 channels-last",
        "convolution 1x1 192-96 float16 channels-last",
    )
    for name in names:
        done = compiling(CHECK.format(arguments=["--only", name, "--json", str(file)]))
        assert done.returncode == 0, done.stdout + done.stderr
        rows = json.loads(file.read_text())["results"]
        assert [row["capability"] for row in rows] == [80, 90]
        assert all(row["resources"]["stack"] == 0 and not row["complaints"] for row in rows)
    assert rows[0]["resources"]["instructions"]["HMMA"] > 0
    assert rows[1]["resources"]["instructions"]["HGMMA"] > 0


def test_the_table_has_a_row_for_each_kernel_cut_and_chip(compiling: Run, tmp_path: Path) -> None:
    file = tmp_path / "table.md"
    done = compiling(CHECK.format(arguments=["--only", "1x1 192-96 float16 channels-last", "--table", str(file)]))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in file.read_text().splitlines() if line.startswith("| `")]
    assert [(row[0], row[4]) for row in rows] == [
        (f"| `{kernel}`", chip)
        for kernel in ("convolve", "gradient_of_input", "partial_gradient_of_filters")
        for chip in ("sm_80", "sm_90")
    ]
    assert rows[0][1:4] == ["128 · 64 · 64", "8", "3"]
    assert all(row[5] == "1" and row[7] == "0" and "HMMA" in row[9].replace("HGMMA", "HMMA") for row in rows)


def test_ranges_span_the_compilations() -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    from kusari_triton.compile_check import Result
    from kusari_triton.launch import Launch
    from kusari_triton.resource_table import resource_table

    fn = SimpleNamespace(__module__="kusari_triton.kernels.conv_device")
    launch = Launch(SimpleNamespace(fn=fn, __name__="convolve"), (1, 1, 1), {"BLOCK_K": 16, "n": 3}, 4, 2)
    results = [Result("a", 90, GOOD, []), Result("b", 90, GOOD._replace(registers=64, shared=0), [])]
    row = resource_table({"a": launch, "b": launch}, results).splitlines()[-1]
    expected = "16 | 4 | 2 | sm_90 | 2 | 64–128 | 0 | 0–100000 | HGMMA 4, FFMA 9, LDGSTS 9 |"
    assert row == f"| `convolve` | {expected}"


def test_a_kernel_that_spills_is_refused(compiling: Run) -> None:
    """float32 in ieee with four warps and large blocks: the registers do not suffice."""
    blocks = "from kusari_triton.kernels import conv; conv.BY_TAP['ieee'] = conv.Blocks(128, 128, 32, num_warps=4)"
    arguments = ["--only", "3x3 64-128 float32 ieee NCHW"]
    done = compiling(f"{blocks}\n{CHECK.format(arguments=arguments)}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "REFUSED: spills:" in done.stdout


def test_nothing_to_check_is_an_error(compiling: Run) -> None:
    done = compiling(CHECK.format(arguments=["--only", "no such kernel"]))
    assert done.returncode == 2
    assert "no case has 'no such kernel' in its name" in done.stderr


def test_an_interpreting_process_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from kusari_triton import compile_check

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with pytest.raises(SystemExit, match="2"):
        compile_check.main([])
    assert "TRITON_INTERPRET is set" in capsys.readouterr().err


GOOD = Resources(128, 0, 100_000, {"HGMMA": 4, "HMMA": 0, "FFMA": 9, "LDGSTS": 9, "STL": 0, "LDL": 0})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stack": 8}, "spills: 8 bytes of stack"),
        ({"instructions": {**GOOD.instructions, "STL": 1, "LDL": 2}}, "3 STL/LDL"),
        ({"shared": 232_449}, "takes 232449 bytes of shared memory, sm_90 has 232448"),
        ({"instructions": {**GOOD.instructions, "HGMMA": 0, "HMMA": 4}}, "no HGMMA"),
    ],
)
def test_complaints(change: dict[str, object], words: str) -> None:
    assert GOOD.complaints(90, tensor_cores=True) == []
    (complaint,) = GOOD._replace(**change).complaints(90, tensor_cores=True)  # type: ignore[arg-type]
    assert words in complaint
