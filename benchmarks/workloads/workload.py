"""A workload: one piece of work, as each side does it best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Run = Callable[[], Any]
Make = Callable[[], Run]


class Workload(NamedTuple):
    """One row of the table."""

    name: str
    group: str
    """``layer forward``, ``layer``, ``step``, ``inference`` or ``drawn``."""
    ours: dict[str, Make]
    """Setting -> what makes a run; the fastest setting counts."""
    theirs: dict[str, Make]
    limit: float | None = None
    """What the ratio to PyTorch must stay under."""
    alone_limit: float | None = None
    """What it must stay under with NumPy alone; None: not measured so."""
    peak_limit: float | None = None
    """What the ratio of the memory that a step adds must stay under."""
    original_limit: float | None = None
    """How many times as fast as the original it must be."""
