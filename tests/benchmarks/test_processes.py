"""Sides in processes of their own: workers that take turns, NumPy alone, the original's script, memory."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from benchmarks import memory, numpy_alone
from benchmarks.worker import THREAD_VARIABLES, Worker, WorkerError, environment, script
from benchmarks.workloads import catalogue, models

ROOT = Path(__file__).parent.parent.parent
SERVER = """
import os, sys
sys.path.insert(0, {root!r})
from benchmarks.worker import serve
print("a library says hello")

def find(name, group):
    if name == "unknown":
        raise LookupError("no such thing")
    if name == "fatal":
        os._exit(3)
    def run():
        print("a run says hello")
        if group == "broken":
            raise ZeroDivisionError("in a run")
    return run

if __name__ == "__main__":
    sys.stdout.flush()
    serve(find, "threads " + os.environ["OMP_NUM_THREADS"] + os.environ.get("OF_ITS_OWN", ""))
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    path = tmp_path / "server.py"
    path.write_text(SERVER.format(root=str(ROOT)).replace('print("a library says hello")\n', ""), encoding="utf-8")
    found = Worker("stand-in", [sys.executable, str(path)], 3, "OF_ITS_OWN= a=b")
    yield found
    found.close()


def test_a_worker_says_what_it_is_and_times_its_runs(worker: Worker) -> None:
    assert worker.about() == "threads 3 a=b"
    worker.open("known", "step")
    assert 0 <= worker.seconds() < 60
    assert 0 <= worker.seconds() < 60


def test_a_worker_that_cannot_says_why_and_goes_on(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="stand-in: LookupError: nothing was opened"):
        worker.seconds()
    with pytest.raises(WorkerError, match="stand-in: LookupError: no such thing"):
        worker.open("unknown", "step")
    worker.open("known", "broken")
    with pytest.raises(WorkerError, match="stand-in: ZeroDivisionError: in a run"):
        worker.seconds()
    worker.open("known", "step")
    assert worker.seconds() >= 0


def test_a_worker_that_ends_is_an_error_with_its_status(worker: Worker) -> None:
    for _ in range(2):
        with pytest.raises(WorkerError, match="stand-in: the process ended, with status 3"):
            worker.open("fatal", "step")


def test_every_library_gets_the_same_number_of_threads() -> None:
    assert {environment(3)[name] for name in THREAD_VARIABLES} == {"3"}


def test_numpy_alone_has_no_compiler(run_python: Callable[..., str]) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from benchmarks import numpy_alone
numpy_alone.hide_compiler()
from kusari.backend import get_backend
from kusari_numpy.compiled_available import compiled_available
run = numpy_alone.find({models.STEPS[0].name!r}, "step")
run()
print(compiled_available(get_backend("numpy")), sys.modules["numba"])
"""
    assert run_python(code) == "numba is not installed; pip install 'kusari-backend-numpy[fast]' None"


def test_the_compiler_cannot_be_hidden_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", sys)
    with pytest.raises(RuntimeError, match="numba is loaded already"):
        numpy_alone.hide_compiler()


def test_what_the_original_imports_needs_neither_kusari_nor_torch(run_python: Callable[..., str]) -> None:
    tree = ast.parse(Path(script("original.py")).read_text(encoding="utf-8"))
    imported = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    ours = [ast.unparse(node) for node in imported if str(node.module).startswith("benchmarks")]
    assert len(ours) == 4
    hidden = "sys.modules.update(dict.fromkeys(('kusari', 'torch', 'numba', 'hypothesis')))"
    run_python("\n".join([f"import sys; sys.path.insert(0, {str(ROOT)!r}); {hidden}", *ours]))


def methods(name: str) -> dict[str, list[str]]:
    """Return the methods of a builder, each with its parameters and their defaults."""
    tree = ast.parse((ROOT / "benchmarks/workloads/builders.py").read_text(encoding="utf-8"))
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    functions = (node for node in found.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"))
    return {node.name: ast.unparse(node.args).split(", ") for node in functions if not node.decorator_list}


@pytest.mark.parametrize("side", ["Links", "Torch"])
def test_each_side_builds_all_that_models_are_made_of(side: str) -> None:
    assert methods(side) == methods("Builder")


def test_workloads_are_found_by_name_and_group() -> None:
    every = list(catalogue.workloads())
    assert len({(workload.name, workload.group) for workload in every}) == len(every)
    for group in ("layer forward", "layer"):
        assert catalogue.find("L4 256→256, 14², 3×3", group).group == group
    with pytest.raises(LookupError, match="'L4'"):
        catalogue.find("L4", "layer")


def test_a_status_is_read_by_its_fields() -> None:
    status = "Name:\tpython\nVmPeak:\t   90000 kB\nVmHWM:\t    3072 kB\nVmRSS:\t    1024 kB\n"
    assert (memory.resident("VmHWM", status), memory.resident("VmRSS", status)) == (3.0, 1.0)
    with pytest.raises(ValueError, match="no line VmSwap"):
        memory.resident("VmSwap", status)


@pytest.mark.skipif(not memory.available(), reason="this system has no /proc/self/status")
def test_a_peak_that_is_over_counts_and_what_was_there_before_does_not(run_python: Callable[..., str]) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from benchmarks.memory import watch
import numpy as np
before = np.ones(64 << 20, np.uint8)
figures = watch(lambda: lambda: np.ones(48 << 20, np.uint8).sum())
print(figures["peak_mib"] - figures["base_mib"])
"""
    assert 47 < float(run_python(code)) < 60
