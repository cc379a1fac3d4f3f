"""Time what a step costs besides its numbers: chains of 1,000 operations on 10 elements, against PyTorch eager.

Everything is on: type checks, hook machinery, device resolution, error notes. Both sides run in turn in one process
on one thread; figures are medians over rounds, ratios are per round.

    python benchmarks/overhead.py [--rounds 31] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kusari.autograd import Variable

LENGTH = 1000
ELEMENTS = 10
Step = Callable[[Any, Any], Any]


class Case(NamedTuple):
    """One row of the table, with the ratio to PyTorch that it must stay under."""

    label: str
    step: Step
    gradient: bool
    both: bool
    limit: float | None


CASES = (
    Case("add, no gradient", lambda x, y: x + y, False, False, 1.8),
    Case("add, forward + backward", lambda x, y: x + y, True, False, 1.4),
    Case("add, both gradients", lambda x, y: x + y, True, True, None),
    Case("mul, one gradient", lambda x, y: x * y, True, False, 1.9),
    Case("mul, both gradients", lambda x, y: x * y, True, True, None),
)


def kusari_chain(case: Case) -> Callable[[], None]:
    """Return a run of the chain on Kusari."""
    ones = np.ones(ELEMENTS, np.float32)
    x = Variable(ones, requires_grad=case.gradient)
    y = Variable(ones.copy(), requires_grad=case.gradient and case.both)

    def run() -> None:
        h = x
        for _ in range(LENGTH):
            h = case.step(h, y)
        if case.gradient:
            x.cleargrad()
            y.cleargrad()
            h.grad = ones
            h.backward()

    return run


def torch_chain(case: Case) -> Callable[[], None]:
    """Return the same run on PyTorch."""
    import torch

    torch.set_num_threads(1)
    x = torch.ones(ELEMENTS, requires_grad=case.gradient)
    y = torch.ones(ELEMENTS, requires_grad=case.gradient and case.both)
    seed = torch.ones(ELEMENTS)

    def run() -> None:
        h = x
        for _ in range(LENGTH):
            h = case.step(h, y)
        if case.gradient:
            x.grad = None
            y.grad = None
            h.backward(seed)

    return run


def microseconds(run: Callable[[], None]) -> float:
    """Return the time of one operation of the chain."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / LENGTH * 1e6


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Run both sides in turn and return medians."""
    ours, theirs = kusari_chain(case), torch_chain(case)
    for warm_up in (ours, theirs) * 3:
        warm_up()
    gc.collect()
    pairs = [(microseconds(ours), microseconds(theirs)) for _ in range(rounds)]
    return {
        "case": case.label,
        "kusari_us": round(statistics.median(a for a, _ in pairs), 2),
        "torch_us": round(statistics.median(b for _, b in pairs), 2),
        "ratio": round(statistics.median(a / b for a, b in pairs), 2),
        "limit": case.limit,
    }


def main() -> int:
    """Print the table; return 1 where a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--json", type=Path, help="write the figures here, with the machine named")
    arguments = parser.parse_args()
    import torch

    rows = [measure(case, arguments.rounds) for case in CASES]
    print(f"{'µs per operation':26} {'kusari':>8} {'torch':>8} {'ratio':>7} {'limit':>7}")
    for row in rows:
        limit = "" if row["limit"] is None else f"{row['limit']:.1f}"
        print(f"{row['case']:26} {row['kusari_us']:8.2f} {row['torch_us']:8.2f} {row['ratio']:7.2f} {limit:>7}")
    if arguments.json:
        machine = {
            "processor": _processor(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        }
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    return int(any(row["limit"] is not None and row["ratio"] > row["limit"] for row in rows))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    raise SystemExit(main())
