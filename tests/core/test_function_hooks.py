"""The hooks that come with functions: time, printed values, a GPU's ranges and memory."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import FunctionHook, FunctionNode, Variable
from kusari.configuration import current_state, using_config
from kusari.errors import SynchronizationError
from kusari.function_hooks import CUDAProfileHook, CupyMemoryProfileHook, PrintHook, TimerHook, TraceHook
from kusari.function_hooks import gpu as gpu_module

Make = Callable[..., Variable]


class Broken(FunctionNode):
    def forward(self, inputs: Any) -> Any:
        raise ZeroDivisionError


class BrokenBackward(FunctionNode):
    def forward(self, inputs: Any) -> Any:
        return (inputs[0] * 1,)

    def backward(self, indexes: Any, grad_outputs: Any) -> Any:
        raise ZeroDivisionError


def fail_twice(x: Variable) -> None:
    """Run a forward and a backward that raise, each inside nothing else."""
    with pytest.raises(ZeroDivisionError):
        Broken().apply((x,))
    y = BrokenBackward().apply((x,))[0]
    with pytest.raises(ZeroDivisionError):
        F.sum(y).backward()


# What hooks are told.


def test_a_hook_is_told_of_a_failure_in_the_place_of_its_end(variable: Make) -> None:
    log: list[Any] = []

    class Log(FunctionHook):
        def forward_preprocess(self, function: Any, in_data: Any) -> None:
            log.append(("start", function.label))

        def forward_postprocess(self, function: Any, in_data: Any) -> None:
            log.append(("end", function.label))

        def failed(self, function: Any, error: BaseException) -> None:
            log.append((type(error), function.label))

    x = variable([1.0])
    with Log(), pytest.raises(ZeroDivisionError):
        Broken().apply((x,))
    assert log == [("start", "Broken"), (ZeroDivisionError, "Broken")]


def test_only_hooks_that_were_shown_the_start_are_told(variable: Make) -> None:
    log: list[str] = []

    class First(FunctionHook):
        name = "first"

        def failed(self, function: Any, error: BaseException) -> None:
            log.append("first")
            raise ValueError("careless")

    class Refusing(FunctionHook):
        name = "refusing"

        def forward_preprocess(self, function: Any, in_data: Any) -> None:
            raise KeyError("no")

        def failed(self, function: Any, error: BaseException) -> None:
            log.append("refusing")

    with First(), Refusing(), pytest.raises(KeyError) as caught:
        F.relu(variable([1.0]))
    assert log == ["first"]
    assert "function hook 'first' failed on this, too: ValueError: careless" in caught.value.__notes__


def test_a_hook_that_cannot_be_added_is_not_in_force() -> None:
    class Refusing(FunctionHook):
        def added(self, function: Any) -> None:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"), Refusing():
        pass
    assert current_state().function_hooks == ()


# Time.


def test_time_is_by_class_and_backwards_contain_what_they_run(variable: Make) -> None:
    x = variable([1.0, -2.0])
    with TimerHook() as hook:
        F.sum(F.relu(x)).backward()
    summary = hook.summary()
    assert summary["ReLU"]["occurrence"] == 2
    names = [name for name, _ in hook.call_history]
    assert names[:2] == ["ReLU", "Sum"]
    assert names[-1] == "ReLU"
    assert hook.total_time() < sum(seconds for _, seconds in hook.call_history)


@pytest.mark.parametrize("kind", [TimerHook, TraceHook])
def test_a_failure_leaves_nothing_open(kind: Any, variable: Make) -> None:
    x, hook = variable([1.0]), kind()
    with hook:
        fail_twice(x)
        F.relu(x)
    times = hook._open if isinstance(hook, TraceHook) else hook._watch._open
    assert times == []
    if isinstance(hook, TimerHook):
        names = [name for name, _ in hook.call_history]
        assert "Broken" not in names
        assert names.count("BrokenBackward") == 1  # its forward


def test_a_report_is_right_aligned() -> None:
    out = io.StringIO()
    with TimerHook() as hook:
        F.sum(F.relu(np.ones(3, "f")))
    hook.print_report("ns", out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "FunctionName  ElapsedTime  Occurrence"
    assert [line.split()[0] for line in lines[1:]] == ["ReLU", "Sum"]
    assert lines[1].startswith("        ReLU  ")
    assert len({len(line) for line in lines}) == 1


# Values.


def test_printed_values(variable: Make) -> None:
    out = io.StringIO()
    x = variable([[1.0, 3.0]], "float32", name="x")
    with PrintHook(file=out):
        y = F.sum(x * 2)
    forward = out.getvalue()
    assert forward.splitlines()[:2] == ["function\t_ * 2", "input data"]
    assert "- shape: (1, 2)\n- dtype: float32\n- statistics: mean=2.00000000, std=1.00000000\n- grad: None\n" in forward
    assert forward.count("function\t") == 2
    out.truncate(0)
    with PrintHook(file=out):
        y.backward()
    backward = out.getvalue().lstrip("\0")
    assert backward.startswith("function\tSum\ninput data\n(removed)\noutput gradient\n<variable>\n")
    assert "statistics: mean=1.00000000, std=0.00000000" in backward


def test_print_hook_s_arguments() -> None:
    with pytest.warns(DeprecationWarning, match="sep"):
        PrintHook(sep=" ")
    out = io.StringIO()
    with PrintHook(end="|", file=out):
        F.relu(np.ones(3, "f"))
    assert out.getvalue().startswith("function\tReLU|input data|<variable>")
    with using_config("forbid_synchronization", True), PrintHook(file=out), pytest.raises(SynchronizationError):
        F.relu(np.ones(3, "f"))


# A GPU's.


def test_gpu_hooks_say_what_is_missing() -> None:
    try:
        gpu_module.gpu_backend("test")
    except RuntimeError:
        for kind in (CUDAProfileHook, CupyMemoryProfileHook):
            with pytest.raises(RuntimeError, match=r"pip install|GPU|CUDA|cupy"):
                kind()
    else:
        pytest.skip("there is a GPU")


def test_ranges_nest_also_where_a_function_fails(monkeypatch: pytest.MonkeyPatch, variable: Make) -> None:
    log: list[str] = []
    fake = types.ModuleType("nvtx")
    fake.push_range = log.append  # type: ignore[attr-defined]
    fake.pop_range = lambda: log.append("pop")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nvtx", fake)
    monkeypatch.setattr("kusari.function_hooks.cuda_profile.gpu_backend", lambda hook: None)
    x = variable([1.0])
    with CUDAProfileHook():
        F.sum(x).backward()
        fail_twice(x)
    assert log[:2] == ["Sum.forward", "pop"]
    assert log[2] == "Sum.backward"
    depth = 0
    for entry in log:
        depth += -1 if entry == "pop" else 1
        assert depth >= 0
    assert depth == 0
    assert "BrokenBackward.backward" in log


def test_memory_is_counted_by_function(monkeypatch: pytest.MonkeyPatch) -> None:
    pool: list[Any] = []

    class MemoryHook:
        """The protocol of the library's pool: entered hooks are told of each allocation."""

        def __enter__(self) -> Any:
            pool.append(self)
            return self

        def __exit__(self, *_: object) -> None:
            pool.remove(self)

    class Taking(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            for hook in pool:
                hook.alloc_postprocess(device_id=0, mem_size=2048, mem_ptr=1)
                hook.malloc_postprocess(device_id=0, size=1000, mem_size=1024, mem_ptr=1, pmem_id=1)
            return (inputs[0] * 1,)

        def backward(self, indexes: Any, grad_outputs: Any) -> Any:
            return (Taking().apply(grad_outputs)[0],)

    fake = types.ModuleType("cupy.cuda.memory_hook")
    fake.MemoryHook = MemoryHook  # type: ignore[attr-defined]
    monkeypatch.setattr("kusari.function_hooks.cupy_memory_profile.gpu_backend", lambda hook: None)
    monkeypatch.setattr("kusari.function_hooks.cupy_memory_profile.first_module", lambda *_: fake)
    hook = CupyMemoryProfileHook()
    with pytest.raises(ValueError, match="no memory was watched"):
        hook.print_report()
    x = Variable(np.asarray(1.0))
    with hook:
        y = Taking().apply((x,))[0]
        y.backward()
        with pytest.raises(ZeroDivisionError):
            Broken().apply((x,))
    assert pool == []
    # The backward contains the function that it runs, and the total counts that once.
    assert hook.summary()["Taking"] == {"used_bytes": 3 * 1024, "acquired_bytes": 3 * 2048, "occurrence": 3}
    assert (hook.total_used_bytes(), hook.total_acquired_bytes()) == (2 * 1024, 2 * 2048)
    out = io.StringIO()
    hook.print_report(file=out)
    title, row = [line.split() for line in out.getvalue().splitlines()]
    assert title == ["FunctionName", "UsedBytes", "AcquiredBytes", "Occurrence"]
    assert row == ["Taking", "3.00KB", "6.00KB", "3"]
    with pytest.raises(ValueError, match="expected B, KB"):
        hook.print_report("kilobytes")


def spans(events: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    return {event["name"]: (event["ts"], event["ts"] + event["dur"]) for event in events}


def test_a_trace_is_a_timeline_in_which_calls_lie_within_their_callers(variable: Make, tmp_path: Path) -> None:
    hook = TraceHook()
    x = variable([[1.0, 2.0]])
    with hook:
        F.relu(x).sum().backward()
    hook.save(tmp_path / "trace.json")
    saved = json.loads((tmp_path / "trace.json").read_text())
    assert saved["traceEvents"] == hook.events
    names = [event["name"] for event in hook.events]
    assert names[:2] == ["ReLU forward", "Sum forward"]
    assert {"Sum backward", "ReLU backward", "ReLUGrad forward"} <= set(names)
    for event in hook.events:
        assert event["ph"] == "X"
        assert event["dur"] >= 0
        assert {event["pid"], event["tid"]} == {os.getpid(), threading.get_ident()}
        assert event["args"]["device"] == x.device.name
    found = spans(hook.events)
    assert found["ReLU backward"][0] <= found["ReLUGrad forward"][0]
    assert found["ReLUGrad forward"][1] <= found["ReLU backward"][1] + 1e-3
    assert found["ReLU forward"][1] <= found["Sum forward"][0] + 1e-3
    assert hook.events[0]["args"]["inputs"] == ["float64[1, 2]"]


def test_a_trace_goes_on_after_a_failure(variable: Make) -> None:
    hook = TraceHook(synchronize=True)
    x = variable([1.0])
    with hook:
        fail_twice(x)
        F.sum(x)
    assert hook.events[-1]["name"] == "Sum forward"
    assert not [event for event in hook.events if event["name"] in ("Broken forward", "BrokenBackward backward")]
    assert hook._open == []
