"""All workloads, and one of them by name."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.workloads import drawn, layers, models
from benchmarks.workloads.workload import Workload


def workloads() -> Iterator[Workload]:
    """Yield layers, training steps and inference, then the convolutions that nobody chose."""
    yield from layers.workloads()
    yield from models.workloads()
    yield from drawn.workloads()


def find(name: str, group: str) -> Workload:
    """Return a workload.

    Raises:
        LookupError: There is none of this name in this group.
    """
    for workload in workloads():
        if (workload.name, workload.group) == (name, group):
            return workload
    raise LookupError(f"no workload is called {name!r} in the group {group!r}")
