"""CupyMemoryProfileHook: the memory that every function takes from CuPy's pool."""

from __future__ import annotations

import sys
from typing import Any, Final, TextIO, TypedDict

from kusari.autograd import FunctionHook, FunctionNode
from kusari.function_hooks.gpu import first_module, gpu_backend
from kusari.function_hooks.timer import class_name
from kusari.function_hooks.timing import print_columns

UNITS: Final = ("B", "KB", "MB", "GB", "TB", "PB", "EB", "ZB")


class MemoryRecord(TypedDict):
    """The memory of all calls of one name, and how many they were."""

    used_bytes: int
    """Taken from the pool."""
    acquired_bytes: int
    """Taken by the pool from the device, because it had no free block that fits."""
    occurrence: int


class CupyMemoryProfileHook(FunctionHook):
    """Count the bytes that every function's forward and backward takes, by the name of its class.

    What is given back is not subtracted. A backward that runs functions contains their bytes.

    Raises:
        RuntimeError: There is no GPU, or no CuPy.
    """

    name = "CupyMemoryProfileHook"

    def __init__(self) -> None:
        gpu_backend(self.name)
        module = first_module(("cupy.cuda.memory_hook",), self.name, "pip install kusari-backend-cupy")
        self.call_history: list[tuple[str, int, int]] = []
        """Names, used bytes and acquired bytes, in the order in which calls ended."""
        self._counter = _counting(module.MemoryHook)
        self._open: list[tuple[int, int]] = []
        self._outermost = [0, 0]

    def added(self, function: FunctionNode | None = None) -> None:
        """Begin to watch the pool."""
        self._counter.__enter__()

    def deleted(self, function: FunctionNode | None = None) -> None:
        """Watch the pool no longer."""
        self._counter.__exit__()

    def forward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self._open.append(self._counter.bytes)

    def forward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self._close(function)

    def backward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        self._open.append(self._counter.bytes)

    def backward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        self._close(function)

    def failed(self, function: FunctionNode, error: BaseException) -> None:
        self._open.pop()

    def _close(self, function: FunctionNode) -> None:
        used, acquired = (now - then for now, then in zip(self._counter.bytes, self._open.pop(), strict=True))
        self.call_history.append((class_name(function), used, acquired))
        if not self._open:
            self._outermost[0] += used
            self._outermost[1] += acquired

    def total_used_bytes(self) -> int:
        """Return the bytes that the outermost calls took from the pool."""
        return self._outermost[0]

    def total_acquired_bytes(self) -> int:
        """Return the bytes that the pool took from the device in the outermost calls."""
        return self._outermost[1]

    def summary(self) -> dict[str, MemoryRecord]:
        """Return bytes and number of calls by function, in the order of the first call."""
        table: dict[str, MemoryRecord] = {}
        for name, used, acquired in self.call_history:
            record = table.setdefault(name, MemoryRecord(used_bytes=0, acquired_bytes=0, occurrence=0))
            record["used_bytes"] += used
            record["acquired_bytes"] += acquired
            record["occurrence"] += 1
        return table

    def print_report(self, unit: str = "auto", file: TextIO | None = None) -> None:
        """Print a table of bytes.

        Args:
            unit: ``B``, ``KB``, ``MB``, … (1024 of the one before); ``auto``: one that suits all; ``auto_foreach``:
                one for each number.
            file: Where to; None: standard output.

        Raises:
            ValueError: Another unit, or nothing ran.
        """
        if unit not in (*UNITS, "auto", "auto_foreach"):
            raise ValueError(f"unit={unit!r}: expected {', '.join(UNITS)}, auto or auto_foreach")
        summary = self.summary()
        if not summary:
            raise ValueError("no memory was watched: run a function while the hook is in force")
        common = unit
        if unit == "auto":
            common = _unit_for(max(max(r["used_bytes"], r["acquired_bytes"]) for r in summary.values()))
        rows = [("FunctionName", "UsedBytes", "AcquiredBytes", "Occurrence")]
        for name, record in summary.items():
            used, acquired = _written(record["used_bytes"], common), _written(record["acquired_bytes"], common)
            rows.append((name, used, acquired, str(record["occurrence"])))
        print_columns(rows, sys.stdout if file is None else file)


def _counting(base: Any) -> Any:
    """Return a hook of the library's pool that counts, with ``bytes``: used and acquired so far."""

    class Counter(base):  # type: ignore[misc]  # the class is the library's
        name = "kusari"
        bytes = (0, 0)

        def alloc_postprocess(self, **call: Any) -> None:
            self.bytes = (self.bytes[0], self.bytes[1] + call["mem_size"])

        def malloc_postprocess(self, **call: Any) -> None:
            self.bytes = (self.bytes[0] + call["mem_size"], self.bytes[1])

    return Counter()


def _unit_for(size: int) -> str:
    return UNITS[min((max(size, 1).bit_length() - 1) // 10, len(UNITS) - 1)]


def _written(size: int, unit: str) -> str:
    if unit == "auto_foreach":
        unit = _unit_for(size)
    return f"{size / 1024 ** UNITS.index(unit):.2f}{unit}"
