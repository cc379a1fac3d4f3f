"""Time convolution layers, training steps and inference against PyTorch eager on the CPU.

All sides take turns in one run, with as many threads each; a turn begins with a pause, in which the threads of the
side before fall asleep, and one run that does not count. PyTorch runs in each of its settings (contiguous or
channels-last memory, foreach or fused updates) and its fastest counts; so does ours. Kusari on NumPy alone (as it
comes, and with OpenBLAS's threads falling asleep sooner), and the original where its interpreter is given, run in
processes of their own that take their turn in each round. Figures are medians with a 90 % interval; below 1 Kusari is
faster. Memory is that of a step in a fresh process (`memory`).

    python benchmarks/cpu.py [--only NAME] [--group drawn] [--threads 2] [--rounds 15] [--json FILE]
                             [--original /where/chainer/is/bin/python] [--draw SEED]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # run as a script, from anywhere

from benchmarks import table, timing
from benchmarks.worker import Worker, WorkerError, environment, script
from benchmarks.workloads.workload import Workload

BLAS_SLEEPS = "OPENBLAS_THREAD_TIMEOUT=20"
"""Else OpenBLAS's threads look for the next product for 25 ms, on the cores of ours: `docs/performance.md`."""

SideAndSetting = tuple[str, str]
"""A column, and an environment variable with its value, or nothing."""


class Others:
    """The sides that run in processes of their own, each started when it is first needed."""

    def __init__(self, original: str | None, threads: int) -> None:
        alone = [sys.executable, script("numpy_alone.py")]
        self._commands: dict[SideAndSetting, list[str]] = {("alone", ""): alone, ("alone", BLAS_SLEEPS): alone}
        if original is not None:
            self._commands["original", ""] = [original, "-W", "ignore", script("original.py")]
        self._threads = threads
        self._workers: dict[SideAndSetting, Worker] = {}
        self.about: dict[str, str] = {}
        """What ran there, with versions."""

    def open(self, workload: Workload) -> dict[SideAndSetting, Worker]:
        """Return those that have a column for this workload, with it made."""
        wanted = {"alone": workload.alone_limit is not None, "original": workload.group != "drawn"}
        ready = {}
        for key, command in self._commands.items():
            side, setting = key
            if wanted[side]:
                try:
                    if key not in self._workers:
                        self._workers[key] = Worker(side, command, self._threads, setting)
                        self.about[side] = self._workers[key].about()
                    self._workers[key].open(workload.name, workload.group)
                    ready[key] = self._workers[key]
                except WorkerError as error:
                    print(f"{workload.name}: no such column: {error}", file=sys.stderr)
        return ready

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers.values():
            worker.close()


def measure(workload: Workload, rounds: int, others: Others) -> table.Row:
    """Run every setting of all sides in turn; return each side's best."""
    workers = others.open(workload)
    ours, theirs = list(workload.ours), list(workload.theirs)
    runs = [make() for make in (*workload.ours.values(), *workload.theirs.values())]
    stopwatches = [timing.stopwatch(run, settling=timing.SETTLING) for run in runs] + [
        worker.seconds for worker in workers.values()
    ]
    columns = timing.in_turn(stopwatches, rounds)
    our_setting, a = best(ours, columns[: len(ours)])
    their_setting, b = best(theirs, columns[len(ours) : len(runs)])
    ratio, low, high = timing.interval([x / y for x, y in zip(a, b, strict=True)])
    row: table.Row = {
        "workload": workload.name,
        "group": workload.group,
        "kusari": {"setting": our_setting, **milliseconds(a)},
        "torch": {"setting": their_setting, **milliseconds(b)},
        "ratio": round(ratio, 3),
        "interval": [round(low, 3), round(high, 3)],
        "limit": workload.limit,
    }
    found = list(zip(workers, columns[len(runs) :], strict=True))
    for side in dict.fromkeys(side for side, _ in workers):
        settings = [(setting, column) for (name, setting), column in found if name == side]
        setting, column = best(*zip(*settings, strict=True))
        # Of NumPy alone it is how it stands to PyTorch that matters, of the original how it stands to us.
        pairs = zip(column, b, strict=True) if side == "alone" else zip(column, a, strict=True)
        between, low, high = (round(value, 3) for value in timing.interval([x / y for x, y in pairs]))
        limit = workload.alone_limit if side == "alone" else workload.original_limit
        row[side] = {
            "setting": setting,
            **milliseconds(column),
            "ratio": between,
            "interval": [low, high],
            "limit": limit,
        }
    return row


def best(settings: Sequence[str], columns: Sequence[list[float]]) -> tuple[str, list[float]]:
    """Return the setting with the least median, and its seconds in each round."""
    return min(zip(settings, columns, strict=True), key=lambda pair: statistics.median(pair[1]))


def milliseconds(seconds: Sequence[float]) -> dict[str, Any]:
    """Return the median and its interval."""
    median, low, high = (round(value * 1e3, 3) for value in timing.interval(seconds))
    return {"ms": median, "interval_ms": [low, high]}


def add_memory(row: table.Row, workload: Workload, threads: int) -> None:
    """Add what a step adds to a process of its own, each side in the setting that was fastest."""
    from benchmarks import memory

    for side in memory.SIDES:
        row[side] |= memory.added(workload.name, workload.group, side, row[side]["setting"], threads)
    ratio = row["kusari"]["added_mib"] / row["torch"]["added_mib"]
    row["memory"] = {"ratio": round(ratio, 3), "limit": workload.peak_limit}


def selected(only: str, group: str, seed: int | None) -> list[Workload]:
    """Return the workloads whose name and group have these words in them; a seed draws other convolutions."""
    from benchmarks.workloads import catalogue, drawn

    found = list(catalogue.workloads())
    if seed is not None:
        from benchmarks.workloads import drawing

        found = [workload for workload in found if workload.group != "drawn"]
        found += drawn.workloads(drawing.draw(seed))
    return [workload for workload in found if only in workload.name and workload.group.startswith(group)]


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="part of a workload's name")
    parser.add_argument("--group", default="", help="layer forward, layer, step, inference or drawn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--original", metavar="PYTHON", help="an interpreter that has Chainer")
    parser.add_argument("--draw", type=int, metavar="SEED", help="draw other convolutions; needs hypothesis")
    parser.add_argument("--json", type=Path, help="write the figures here, with the machine named")
    arguments = parser.parse_args(words)
    if arguments.original is not None and shutil.which(arguments.original) is None:
        parser.error(f"--original {arguments.original}: no such program; expected a Python that has Chainer")
    return arguments


def main() -> int:
    """Print the table; return 1 where a limit is exceeded."""
    arguments = parsed()
    os.environ.update(environment(arguments.threads))  # before NumPy and PyTorch are imported, who read it then
    import torch
    from benchmarks import memory

    torch.set_num_threads(arguments.threads)
    others = Others(arguments.original, arguments.threads)
    if arguments.original is None:
        print("no column of the original: --original PYTHON names an interpreter that has Chainer")
    if not memory.available():
        print("no figures of memory: this system has no /proc/self/status")
    print(f"{table.LEGEND}\n\n{table.header(arguments.threads)}")
    rows = []
    for workload in selected(arguments.only, arguments.group, arguments.draw):
        rows.append(measure(workload, arguments.rounds, others))
        if workload.group == "step" and memory.available():
            add_memory(rows[-1], workload, arguments.threads)
        print(table.line(rows[-1]), flush=True)
    others.close()
    means = list(table.means(rows))
    failures = table.failures(rows, means)
    print(*map(table.mean_line, means), *failures, sep="\n")
    if arguments.json:
        figures = {"machine": timing.machine() | others.about, "threads": arguments.threads, "rounds": arguments.rounds}
        figures |= {"means": means, "rows": rows}
        arguments.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(bool(failures))


if __name__ == "__main__":
    raise SystemExit(main())
