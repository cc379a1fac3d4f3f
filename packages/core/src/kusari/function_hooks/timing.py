"""Times by name: what the timer hooks of functions and of links gather, and their report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, NamedTuple, TextIO, TypedDict

from kusari.backend import Backend, Event

UNITS: Final = {"sec": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


class Record(TypedDict):
    """The time of all calls of one name, and how many they were."""

    elapsed_time: float
    """Seconds."""
    occurrence: int


class _Open(NamedTuple):
    """A call that has begun."""

    name: str
    backend: Backend
    event: Event


class Stopwatch:
    """Time nested calls by events in their device's stream.

    >>> watch = Stopwatch()
    >>> watch.begin("example", get_backend("numpy"))
    >>> watch.end()
    >>> [name for name, seconds in watch.call_history]
    ['example']
    """

    def __init__(self) -> None:
        self.call_history: list[tuple[str, float]] = []
        self._open: list[_Open] = []
        self._outermost = 0.0

    def begin(self, name: str, backend: Backend) -> None:
        """Start the time of a call."""
        event = backend.event()
        event.record()
        self._open.append(_Open(name, backend, event))

    def end(self) -> None:
        """Stop the time of the call that began last; waits for the device."""
        name, backend, started = self._open.pop()
        stopped = backend.event()
        stopped.record()
        stopped.synchronize()
        seconds = stopped.elapsed_since(started)
        self.call_history.append((name, seconds))
        if not self._open:
            self._outermost += seconds

    def give_up(self) -> None:
        """Forget the call that began last: it failed."""
        self._open.pop()

    def total_time(self) -> float:
        """Return the seconds of the outermost calls; those inside them count once."""
        return self._outermost

    def summary(self) -> dict[str, Record]:
        """Return the time and number of calls by name, in the order of the first call."""
        table: dict[str, Record] = {}
        for name, seconds in self.call_history:
            record = table.setdefault(name, Record(elapsed_time=0.0, occurrence=0))
            record["elapsed_time"] += seconds
            record["occurrence"] += 1
        return table


def print_report(title: str, summary: dict[str, Record], unit: str = "auto", file: TextIO | None = None) -> None:
    """Print a table of times.

    Args:
        title: Of the first column.
        summary: What to print.
        unit: ``sec``, ``ms``, ``us``, ``ns``; ``auto``: one that suits all; ``auto_foreach``: one for each row.
        file: Where to; None: standard output.

    Raises:
        ValueError: Another unit, or nothing was timed.
    """
    if unit not in (*UNITS, "auto", "auto_foreach"):
        raise ValueError(f"unit={unit!r}: expected {', '.join(UNITS)}, auto or auto_foreach")
    if not summary:
        raise ValueError("nothing was timed: run a function or link while the hook is in force")
    out = sys.stdout if file is None else file
    common = _unit_for(max(record["elapsed_time"] for record in summary.values())) if unit == "auto" else unit
    rows = [(title, "ElapsedTime", "Occurrence")]
    for name, record in summary.items():
        one = _unit_for(record["elapsed_time"]) if unit == "auto_foreach" else common
        rows.append((name, f"{record['elapsed_time'] * UNITS[one]:.2f}{one}", str(record["occurrence"])))
    print_columns(rows, out)


def print_columns(rows: Sequence[tuple[str, ...]], file: TextIO) -> None:
    """Print rows of text in columns, flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)), file=file)


def _unit_for(seconds: float) -> str:
    """Return the largest unit in which ``seconds`` is at least one, else the smallest."""
    return next((unit for unit, scale in UNITS.items() if seconds * scale >= 1), "ns")
