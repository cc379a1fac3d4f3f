"""Measuring one row of the GPU's tables: every setting of every side in turn, against each other and the roofline."""

from __future__ import annotations

import functools
import math
import operator
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmarks import timing
from benchmarks.gpu_session import Session
from benchmarks.workloads.placement import Placement
from benchmarks.workloads.workload import Make, Run

SAMPLE: Final = 0.02
"""Seconds that one sample takes at least: waiting for the device costs some 10 µs."""
ROUND: Final = 4.0
"""Seconds that all samples of a row may take together, while there are still five of each."""
ROUNDS: Final = (5, 15)
TORCH: Final = "torch"

Sides = Mapping[str, Mapping[str, Make]]


class Work(NamedTuple):
    """What cannot be avoided."""

    operations: float
    """Floating-point: a product and its sum are two."""
    bytes: float
    """Read once and written once."""

    def __add__(self, other: object) -> Work:
        assert isinstance(other, Work)
        return Work(self.operations + other.operations, self.bytes + other.bytes)


class Case(NamedTuple):
    """A row to be measured."""

    name: str
    group: str
    """``forward``, ``forward + backward``, ``step``, ``inference`` or ``launch``."""
    numbers: str
    """``fp32``, ``tf32`` or ``bf16``."""
    place: Placement
    sides: Sides
    """Side -> setting -> what makes a run; each side's fastest setting counts."""
    work: Work | None = None
    repeat: int | None = None
    """Runs in a sample; None: as many as `SAMPLE` takes. 1 also waits for each, as who needs an answer at once."""

    @property
    def key(self) -> str:
        """What tells rows apart."""
        return f"{self.name} · {self.group} · {self.numbers}"


def measure(session: Session, case: Case, peaks: Mapping[str, float]) -> dict[str, Any]:
    """Return a row: each side's best in milliseconds, how long PyTorch takes of it, and what part of the roofline.

    A setting that fails is named with its error, and the others are measured all the same.
    """
    runs: dict[tuple[str, str], Run] = {}
    failed: dict[str, str] = {}
    repeats: list[int] = []
    with case.place.in_force(with_torch=session.torch_device is not None):
        for side, settings in case.sides.items():
            for setting, make in settings.items():
                try:
                    run = make()
                    repeats.append(_repeat(session, run, case.repeat))
                except Exception as error:  # noqa: BLE001 - whatever it is, the other rows are wanted
                    failed[f"{side} {setting}".strip()] = one_line(error)
                else:
                    runs[side, setting] = run
        samples = [_sample(run, session.wait, repeat) for run, repeat in zip(runs.values(), repeats, strict=True)]
        seconds = timing.interleaved(samples, _rounds(samples)) if samples else []
    taken = {
        place: [one / repeat for one in sample]
        for place, sample, repeat in zip(runs, seconds, repeats, strict=True)
    }  # fmt: skip
    row: dict[str, Any] = {"workload": case.name, "group": case.group, "numbers": case.numbers, "key": case.key}
    row["sides"] = _sides(case, taken, peaks)
    if failed:
        row["failed"] = failed
    return row


def _repeat(session: Session, run: Run, given: int | None) -> int:
    """Return how many runs fill a sample, after the first calls, which compile, tune and fill the pools."""
    for _ in range(3):
        run()
    session.wait()
    if given is not None or session.smoke:
        return given or 1
    start = time.perf_counter()
    run()
    session.wait()
    return min(max(math.ceil(SAMPLE / (time.perf_counter() - start)), 1), 100)


def _sample(run: Run, wait: Callable[[], None], repeat: int) -> Run:
    def sample() -> None:
        for _ in range(repeat):
            run()
        wait()

    return sample


def _rounds(samples: Sequence[Run]) -> int:
    start = time.perf_counter()
    for sample in samples:
        sample()
    least, most = ROUNDS
    return min(max(int(ROUND / (time.perf_counter() - start)), least), most)


def _sides(
    case: Case, taken: Mapping[tuple[str, str], Sequence[float]], peaks: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    best: dict[str, tuple[str, Sequence[float]]] = {}
    for (side, setting), seconds in taken.items():
        if side not in best or statistics.median(seconds) < statistics.median(best[side][1]):
            best[side] = setting, seconds
    found: dict[str, dict[str, Any]] = {}
    for side, (setting, seconds) in best.items():
        median, low, high = (round(value * 1e3, 5) for value in timing.interval(seconds))
        found[side] = {"ms": median, "interval": [low, high], "setting": setting}
        if TORCH in best and side != TORCH:
            pairs = zip(seconds, best[TORCH][1], strict=True)
            found[side]["ratio"] = [round(value, 3) for value in timing.interval([a / b for a, b in pairs])]
        if case.work is not None:
            found[side]["roofline"] = round(roofline(case.work, case.numbers, peaks) / statistics.median(seconds), 3)
    return found


def roofline(work: Work, numbers: str, peaks: Mapping[str, float]) -> float:
    """Return the seconds that work takes at least.

    >>> roofline(Work(2e12, 1e9), "fp32", {"fp32": 1e12, "copy": 1e12})
    2.0
    """
    return max(work.operations / peaks[numbers], work.bytes / peaks["copy"])


def measure_peaks(session: Session, places: Mapping[str, Placement]) -> dict[str, float]:
    """Return what this machine reaches: operations a second of a large product, and bytes a second of a large copy."""
    import numpy as np

    size, length = (256, 2**20) if session.smoke else (8192, 2**28)
    rng = np.random.default_rng(0)
    peaks: dict[str, float] = {}
    square = rng.standard_normal((size, size)).astype("f")
    for numbers, place in places.items():
        with place.in_force(with_torch=session.torch_device is not None):
            a = place.ours(square) if session.torch_device is None else place.theirs(square)
            seconds = _fastest(session, functools.partial(operator.matmul, a, a))
        peaks[numbers] = 2 * size**3 / seconds
    place = next(iter(places.values()))._replace(dtype="float32")
    line = np.zeros(length, "f")
    one = place.ours(line) if session.torch_device is None else place.theirs(line)
    other = one + 0

    def copy() -> None:
        other[...] = one

    peaks["copy"] = 2 * line.nbytes / _fastest(session, copy)
    session.free()
    return peaks


def _fastest(session: Session, run: Run) -> float:
    taken = []
    for _ in range(8):
        session.wait()
        start = time.perf_counter()
        run()
        session.wait()
        taken.append(time.perf_counter() - start)
    return min(taken)


def one_line(error: BaseException) -> str:
    r"""Return an error's kind and the first line of what it says.

    >>> one_line(ValueError("no\nbecause"))
    'ValueError: no'
    """
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300] if text else 'no message'}"


def table(rows: Iterable[Mapping[str, Any]], sides: Sequence[str]) -> str:
    """Return rows as a table in Markdown: milliseconds; PyTorch's time is the ratio's denominator; roofline."""
    head = ["workload", "pass", "numbers"]
    for side in sides:
        head += [f"{side} ms", "setting", *([] if side == TORCH else ["ratio"]), "roofline"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [row["workload"], row["group"], row["numbers"]]
        for side in sides:
            found = row["sides"].get(side)
            if found is None:
                failed = any(name.partition(" ")[0] == side for name in row.get("failed", {}))
                cells += ["failed" if failed else "", *[""] * (2 if side == TORCH else 3)]
                continue
            ratio = found.get("ratio")
            roof = found.get("roofline")
            cells += [f"{found['ms']:.4g}", found["setting"]]
            if side != TORCH:
                cells.append("" if ratio is None else f"{ratio[0]:.2f} ({ratio[1]:.2f}–{ratio[2]:.2f})")
            cells.append("" if roof is None else f"{roof:.0%}")
        lines.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
