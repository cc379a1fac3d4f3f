"""Timing two sides in turn, in one process: what every benchmark here shares."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

Run = Callable[[], Any]
Stopwatch = Callable[[], float]


SETTLING: Final = 0.05
"""Seconds in which the threads of the side before fall asleep: they wait for more work by spinning. A step that took 14
ms on its own took 27 in turn with the other side's."""


def stopwatch(run: Run, clock: Callable[[], float] = time.perf_counter, settling: float = 0.0) -> Stopwatch:
    """Return a function that runs once and returns the seconds.

    Where there is something to settle, it waits so many seconds, and runs for as long before: a step in a training run
    finds its own data in the caches, no threads of others, and its own on cores apart, to which the system brings
    threads that were asleep within some milliseconds.
    """

    def seconds() -> float:
        if settling:
            time.sleep(settling)
            begin = clock()
            run()
            while clock() - begin < settling:
                run()
        start = clock()
        run()
        return clock() - start

    return seconds


def interleaved(runs: Sequence[Run], rounds: int, clock: Callable[[], float] = time.perf_counter) -> list[list[float]]:
    """Return the seconds of each run in each round; within a round every run has its turn."""
    return in_turn([stopwatch(run, clock) for run in runs], rounds)


def in_turn(stopwatches: Sequence[Stopwatch], rounds: int) -> list[list[float]]:
    """Return the seconds that each gave in each round, after two rounds that do not count."""
    for _ in range(2):
        for seconds in stopwatches:
            seconds()
    gc.collect()
    taken: list[list[float]] = [[] for _ in stopwatches]
    for _ in range(rounds):
        for seconds, column in zip(stopwatches, taken, strict=True):
            column.append(seconds())
    return taken


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and a 90 % interval for it, from order statistics.

    The interval is between the ranks that a binomial count of values below the median leaves out with 5 % each.

    >>> interval(list(range(15)))
    (7, 4, 10)
    """
    ordered = sorted(values)
    n = len(ordered)
    reach = round(1.645 * n**0.5 / 2)
    low, high = max(n // 2 - reach, 0), min((n - 1) // 2 + reach, n - 1)
    return statistics.median(ordered), ordered[low], ordered[high]


def machine() -> dict[str, Any]:
    """Return what a figure depends on."""
    import numpy as np

    found: dict[str, Any] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    for package in ("torch", "numba"):
        try:
            found[package] = __import__(package).__version__
        except ImportError:
            found[package] = None
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
