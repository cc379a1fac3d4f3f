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
    """``layer forward``, ``layer``, ``step`` or ``inference``."""
    ours: dict[str, Make]
    """Setting -> what makes a run; the fastest setting counts."""
    theirs: dict[str, Make]
    limit: float | None = None
    """What the ratio to PyTorch must stay under."""
