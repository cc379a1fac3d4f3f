"""Time convolution layers, training steps and inference against PyTorch eager on the CPU.

Both sides run in turn in one process, with as many threads each. PyTorch runs in each of its settings (contiguous or
channels-last memory, foreach or fused updates) and its fastest counts; so does ours. Figures are medians with a 90 %
interval; below 1 Kusari is faster.

    python benchmarks/cpu.py [--only NAME] [--group layer] [--threads 2] [--rounds 15] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # run as a script, from anywhere

from benchmarks import timing
from benchmarks.workloads import layers, models
from benchmarks.workloads.workload import Workload


def measure(workload: Workload, rounds: int) -> dict[str, Any]:
    """Run every setting of both sides in turn; return each side's best."""
    ours, theirs = list(workload.ours), list(workload.theirs)
    runs = [workload.ours[name]() for name in ours] + [workload.theirs[name]() for name in theirs]
    seconds = timing.interleaved(runs, rounds)
    our_best = min(range(len(ours)), key=lambda i: statistics.median(seconds[i]))
    their_best = min(range(len(theirs)), key=lambda i: statistics.median(seconds[len(ours) + i]))
    a, b = seconds[our_best], seconds[len(ours) + their_best]
    ratio, low, high = timing.interval([x / y for x, y in zip(a, b, strict=True)])
    return {
        "workload": workload.name,
        "group": workload.group,
        "kusari_ms": round(statistics.median(a) * 1e3, 3),
        "kusari_setting": ours[our_best],
        "torch_ms": round(statistics.median(b) * 1e3, 3),
        "torch_setting": theirs[their_best],
        "ratio": round(ratio, 3),
        "interval": [round(low, 3), round(high, 3)],
        "limit": workload.limit,
    }


def selected(only: str, group: str) -> Iterable[Workload]:
    """Yield the workloads whose name and group have these words in them."""
    for workload in (*layers.workloads(), *models.workloads()):
        if only in workload.name and workload.group.startswith(group):
            yield workload


def show(row: dict[str, Any]) -> None:
    """Print a row of the table."""
    low, high = row["interval"]
    limit = "" if row["limit"] is None else f"{row['limit']:.1f}"
    print(
        f"{row['workload']:40} {row['group']:14} {row['kusari_ms']:9.2f} {row['torch_ms']:9.2f} {row['ratio']:6.2f}"
        f"  {low:5.2f}–{high:<5.2f} {limit:>4}  {row['torch_setting']}",
        flush=True,
    )


def main() -> int:
    """Print the table; return 1 where a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="part of a workload's name")
    parser.add_argument("--group", default="", help="layer forward, layer, step or inference")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the figures here, with the machine named")
    arguments = parser.parse_args()
    os.environ["KUSARI_NUM_THREADS"] = str(arguments.threads)
    import torch

    torch.set_num_threads(arguments.threads)
    print(f"{'milliseconds, ' + str(arguments.threads) + ' threads':55} {'kusari':>9} {'torch':>9} {'ratio':>6}  90 %")
    rows = []
    for workload in selected(arguments.only, arguments.group):
        rows.append(measure(workload, arguments.rounds))
        show(rows[-1])
    for group in dict.fromkeys(row["group"] for row in rows):
        ratios = [row["ratio"] for row in rows if row["group"] == group]
        mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))
        print(f"{group}: geometric mean {mean:.2f}, {sum(ratio < 1 for ratio in ratios)} of {len(ratios)} below 1")
    if arguments.json:
        figures = {"machine": timing.machine(), "threads": arguments.threads, "rows": rows}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return int(any(row["limit"] is not None and row["ratio"] > row["limit"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
