"""Time layers and losses over sequences, forward and backward, against PyTorch: 100 sequences of length 100.

Both sides run in turn in one process, with as many threads each; figures are medians over rounds, ratios the median of
those per round. A CRF has no counterpart in PyTorch: its figure stands alone. On a machine that others use at the same
time, one thread and the processor's time (``--cpu-time``) still tell something, and the wall clock nothing.

    OPENBLAS_NUM_THREADS=2 python benchmarks/sequence.py [--rounds 9] [--only lstm] [--cpu-time] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import kusari.functions as F
from kusari import Variable

SEQUENCES = 100
LENGTH = 100
UNITS = 128
SYMBOLS, LABELS = 30, 20  # of CTC: classes with the blank, and the length of a target
TAGS = 20  # of a CRF
LIMIT = 1.5
"""What the ratio to PyTorch must stay under."""

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
Run = Callable[[], None]


class Case(NamedTuple):
    """One row of the table."""

    label: str
    ours: Callable[[], Run]
    theirs: Callable[[], Run] | None


def draw(*shape: int) -> Any:
    return (np.random.default_rng(len(shape)).standard_normal(shape) * 0.1).astype(np.float32)


def our_recurrence(cell: str, directions: int) -> Run:
    """Return a step of a layer of Kusari."""
    bi = "bi" if directions == 2 else ""
    function = getattr(F, f"n_step_{bi}{cell}")
    gates = GATES[cell]
    matrices = [[Variable(draw(UNITS, UNITS)) for _ in range(2 * gates)] for _ in range(directions)]
    biases = [[Variable(draw(UNITS)) for _ in range(2 * gates)] for _ in range(directions)]
    states = [draw(directions, SEQUENCES, UNITS) for _ in range(2 if cell == "lstm" else 1)]
    xs = [Variable(draw(SEQUENCES, UNITS)) for _ in range(LENGTH)]
    seeds = [np.ones((SEQUENCES, directions * UNITS), np.float32)] * LENGTH

    def run() -> None:
        for leaf in (*xs, *(p for side in (matrices, biases) for layer in side for p in layer)):
            leaf.cleargrad()
        ys = function(1, 0.0, *states, matrices, biases, xs)[-1]
        backward(ys, seeds)

    return run


def backward(ys: Any, seeds: Any) -> None:
    import kusari

    kusari.backward(list(ys), [Variable(seed) for seed in seeds])


def their_recurrence(cell: str, directions: int) -> Run:
    """Return the same step on PyTorch."""
    import torch

    layer = getattr(torch.nn, cell.upper())(UNITS, UNITS, bidirectional=directions == 2)
    x = torch.from_numpy(draw(LENGTH, SEQUENCES, UNITS)).requires_grad_()
    seed = torch.ones(LENGTH, SEQUENCES, directions * UNITS)

    def run() -> None:
        layer.zero_grad()
        x.grad = None
        layer(x)[0].backward(seed)

    return run


def our_ctc() -> Run:
    xs = [Variable(draw(SEQUENCES, SYMBOLS)) for _ in range(LENGTH)]
    targets = np.random.default_rng(0).integers(1, SYMBOLS, (SEQUENCES, LABELS)).astype(np.int32)

    def run() -> None:
        for x in xs:
            x.cleargrad()
        F.connectionist_temporal_classification(xs, targets, 0).backward()

    return run


def their_ctc() -> Run:
    import torch

    x = torch.from_numpy(draw(LENGTH, SEQUENCES, SYMBOLS)).requires_grad_()
    targets = torch.from_numpy(np.random.default_rng(0).integers(1, SYMBOLS, (SEQUENCES, LABELS)))
    lengths = torch.full((SEQUENCES,), LENGTH), torch.full((SEQUENCES,), LABELS)

    def run() -> None:
        x.grad = None
        torch.nn.functional.ctc_loss(x.log_softmax(2), targets, *lengths).backward()

    return run


def our_crf() -> Run:
    cost = Variable(draw(TAGS, TAGS))
    xs = [Variable(draw(SEQUENCES, TAGS)) for _ in range(LENGTH)]
    generator = np.random.default_rng(0)
    ys = [generator.integers(0, TAGS, SEQUENCES).astype(np.int32) for _ in range(LENGTH)]

    def run() -> None:
        for x in (cost, *xs):
            x.cleargrad()
        F.crf1d(cost, xs, ys).backward()

    return run


CASES = (
    *(
        Case(
            f"{cell}, {'both directions' if directions == 2 else 'one layer'}",
            lambda cell=cell, directions=directions: our_recurrence(cell, directions),  # type: ignore[misc]
            lambda cell=cell, directions=directions: their_recurrence(cell, directions),  # type: ignore[misc]
        )
        for cell in GATES
        for directions in (1, 2)
    ),
    Case("ctc", our_ctc, their_ctc),
    Case("crf", our_crf, None),
)


def seconds(run: Run, clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return clock() - start


def measure(case: Case, rounds: int, clock: Callable[[], float]) -> dict[str, Any]:
    """Return the medians of both sides, in milliseconds, and the median of the rounds' ratios."""
    sides = [case.ours(), *([] if case.theirs is None else [case.theirs()])]
    for run in sides:
        run()
    gc.collect()
    times = [[seconds(run, clock) for run in sides] for _ in range(rounds)]
    result: dict[str, Any] = {"case": case.label, "kusari_ms": 1e3 * statistics.median(row[0] for row in times)}
    if case.theirs is not None:
        result["torch_ms"] = 1e3 * statistics.median(row[1] for row in times)
        result["ratio"] = statistics.median(row[0] / row[1] for row in times)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="cases whose label has this in it")
    parser.add_argument("--cpu-time", action="store_true", help="count the processor's time, of all threads")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(int(os.environ.get("OPENBLAS_NUM_THREADS", "2")))
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    results = []
    for case in CASES:
        if arguments.only in case.label:
            results.append(result := measure(case, arguments.rounds, clock))
            ratio = result.get("ratio")
            words = "no counterpart" if ratio is None else f"{result['torch_ms']:8.1f} ms torch  {ratio:5.2f}×"
            print(f"{case.label:24} {result['kusari_ms']:8.1f} ms  {words}", flush=True)
    if arguments.json is not None:
        machine = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
        machine |= {
            "clock": clock.__name__,
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
        }
        arguments.json.write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
