"""TraceHook: every function as an event of a timeline that browsers and Perfetto show."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from kusari.autograd import FunctionHook, FunctionNode
from kusari.function_hooks.timer import class_name


class TraceHook(FunctionHook):
    """Record when every function began and ended, and write it in Chrome's trace-event format.

    Open the file in Perfetto or chrome://tracing. Times are the host's; on a device that works on after the call
    returned, ``synchronize=True`` waits for it, which shows the device's time and slows the run.

    Args:
        synchronize: Wait for the device after each call.

    Source: Trace Event Format, Google, 2016.

    >>> hook = TraceHook()
    >>> with hook:
    ...     y = F.relu(np.ones(3, "f"))
    >>> hook.events[0]["name"], hook.events[0]["args"]["inputs"]
    ('ReLU forward', ['float32[3]'])
    """

    name = "TraceHook"

    def __init__(self, synchronize: bool = False) -> None:
        self.events: list[dict[str, Any]] = []
        """Complete events, in the order in which calls ended."""
        self._synchronize = synchronize
        self._open: list[float] = []

    def forward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self._open.append(time.perf_counter())

    def forward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self._close(function, "forward", in_data)

    def backward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        self._open.append(time.perf_counter())

    def backward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        self._close(function, "backward", out_grad)

    def failed(self, function: FunctionNode, error: BaseException) -> None:
        self._open.pop()

    def _close(self, function: FunctionNode, phase: str, arrays: tuple[Any, ...]) -> None:
        if self._synchronize:
            function.backend.synchronize(function.device.index)
        began = self._open.pop()
        shown = ["none" if a is None else f"{function.backend.host_dtype(a.dtype)}{list(a.shape)}" for a in arrays]
        self.events.append(
            {
                "name": f"{class_name(function)} {phase}",
                "cat": phase,
                "ph": "X",
                "ts": began * 1e6,
                "dur": (time.perf_counter() - began) * 1e6,
                "pid": os.getpid(),
                "tid": threading.get_ident(),
                "args": {"device": function.device.name, "inputs": shown},
            }
        )

    def save(self, file: str | Path) -> None:
        """Write the events to a JSON file."""
        Path(file).write_text(json.dumps({"traceEvents": self.events, "displayTimeUnit": "ms"}))
