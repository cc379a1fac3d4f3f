"""Time what a Trainer costs per iteration, besides the update: the loop, triggers, reports and a log.

An update that only reports a loss and an accuracy runs in a bare loop and under a Trainer with the usual extensions.
Figures are processor time, the least of all rounds.

    python benchmarks/trainer_overhead.py [--rounds 15] [--iterations 5000]
"""

from __future__ import annotations

import argparse
import gc
import io
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import kusari
import kusari.links as L
from kusari import training
from kusari.training import extensions

LIMIT = 50.0
"""Microseconds per iteration."""


class Reporting(training.StandardUpdater):
    """An updater whose only work is to report, and to take a batch of which it makes nothing."""

    values: dict[str, kusari.Variable]

    def update_core(self) -> None:
        self._iterators["main"].next()
        kusari.report(self.values, self._optimizers["main"].target)


def make_updater() -> Reporting:
    """Return an updater over 1,000 examples in batches of one."""
    optimizer = kusari.optimizers.SGD(0.01).setup(L.Linear(4, 2))
    updater = Reporting(kusari.iterators.SerialIterator(range(1000), 1), optimizer)
    updater.values = {name: kusari.Variable(np.asarray(0.5, "f")) for name in ("loss", "accuracy")}
    return updater


def bare(iterations: int) -> float:
    """Return the processor's seconds for so many updates in a loop."""
    updater = make_updater()
    start = time.process_time()
    for _ in range(iterations):
        updater.update()
    return time.process_time() - start


def trained(extend: Callable[[training.Trainer], None]) -> Callable[[int], float]:
    """Return a function that returns the processor's seconds for so many iterations of a Trainer."""

    def run(iterations: int) -> float:
        with tempfile.TemporaryDirectory() as out:
            trainer = training.Trainer(make_updater(), (iterations, "iteration"), out=out)
            extend(trainer)
            start = time.process_time()
            trainer.run()
            return time.process_time() - start

    return run


def nothing(trainer: training.Trainer) -> None:
    """Add no extension."""


def usual(trainer: training.Trainer) -> None:
    """Add what most programs have; what is written is little, once at the end."""
    length: Any = trainer.stop_trigger.get_training_length()  # type: ignore[attr-defined]
    trainer.extend(extensions.LogReport(trigger=length))
    trainer.extend(extensions.PrintReport(["epoch", "main/loss", "main/accuracy"], out=io.StringIO()), trigger=length)
    trainer.extend(extensions.ProgressBar(update_interval=1000, out=io.StringIO()))
    trainer.extend(extensions.observe_lr(), trigger=length)
    trainer.extend(extensions.ExponentialShift("lr", 0.99), trigger=(100, "iteration"))
    trainer.extend(extensions.snapshot(), trigger=length)


CASES = (("no extensions", nothing), ("log, print, bar, lr, shift, snapshot", usual))


def main() -> int:
    """Print the table; return 1 where the limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--iterations", type=int, default=5000)
    arguments = parser.parse_args()
    count, slow = arguments.iterations, False
    print(f"{'µs per iteration':38} {'update':>8} {'trainer':>8} {'beyond':>8} {'limit':>7}")
    for label, extend in CASES:
        run = trained(extend)
        for warm_up in (bare, run):
            warm_up(count // 10)
        gc.collect()
        pairs = [(bare(count), run(count)) for _ in range(arguments.rounds)]
        update, whole = (min(side) / count * 1e6 for side in zip(*pairs, strict=True))
        beyond = whole - update
        print(f"{label:38} {update:8.1f} {whole:8.1f} {beyond:8.1f} {LIMIT:7.1f}")
        slow = slow or beyond > LIMIT
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
