"""Kusari without ``kusari-backend-numpy[fast]``: a worker in which numba and threadpoolctl are not to be found.

`benchmarks/cpu.py` starts it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # run as a script, from anywhere

import numpy as np
from benchmarks.worker import serve
from benchmarks.workloads import catalogue


def hide_compiler() -> None:
    """Make this process one that has no numba and no threadpoolctl.

    Raises:
        RuntimeError: One of them is loaded already.
    """
    for module in ("numba", "threadpoolctl"):
        if module in sys.modules:
            raise RuntimeError(f"{module} is loaded already; it has to be hidden before Kusari is imported")
        # Python's own way to say that there is no such module, to import and to find_spec alike.
        sys.modules[module] = None  # type: ignore[assignment]


def find(name: str, group: str) -> Callable[[], Any]:
    """Return our run of a workload, in its first setting."""
    return next(iter(catalogue.find(name, group).ours.values()))()


if __name__ == "__main__":
    hide_compiler()
    serve(find, f"NumPy {np.__version__}")
