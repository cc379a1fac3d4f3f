"""The tuner: time the ways of cutting a kernel on the GPU at hand, once, and remember the fastest on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import statistics
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from kusari_triton.errors import KernelError
from kusari_triton.launch import Launch

REMEMBERED: Final = 4096
"""How many choices are kept on disk, a few hundred bytes each; the oldest go first."""

REGISTERS: Final = 65_536
"""What a multiprocessor has, and with it the most that one block can take; every chip from 8.0 to 12.0."""

SAMPLES: Final = 5
"""How often a candidate is timed; the median counts."""

SPAN: Final = 2.0
"""Milliseconds that a sample should last: events resolve half a microsecond."""

_log = logging.getLogger(__name__)


class Taken(NamedTuple):
    """What a loaded kernel takes, per thread."""

    registers: int
    local: int
    """Bytes of local memory: registers did not suffice, or an array lives there."""


class Candidate(NamedTuple):
    """One way of cutting a kernel, loaded."""

    taken: Taken
    run: Callable[[], None]
    """Put it on the current stream."""


def configuration(launch: Launch) -> dict[str, int]:
    """Return how a launch is cut: its blocks, and its threads and buffers."""
    blocks = {name: value for name, value in launch.arguments.items() if name.startswith("BLOCK")}
    return {**blocks, "num_warps": launch.num_warps, "num_stages": launch.num_stages}


def why_not_timed(launch: Launch, taken: Taken) -> str | None:
    """Say why a candidate cannot win; None: it may.

    >>> why_not_timed(Launch(None, (1, 1, 1), {}, 8, 3), Taken(registers=255, local=64))
    'spills: 64 bytes of local memory'
    """
    if taken.local:
        return f"spills: {taken.local} bytes of local memory"
    wanted = taken.registers * 32 * launch.num_warps
    if wanted > REGISTERS:
        return f"takes {wanted} registers a block, there are {REGISTERS}"
    return None


class Tuner:
    """Choose among launches that compute the same.

    Args:
        choices: What earlier processes found.
        timer: Runs its argument and returns how many milliseconds one run takes.
    """

    def __init__(self, choices: Choices, timer: Callable[[Callable[[], None]], float]) -> None:
        self._choices = choices
        self._timer = timer

    def choose(self, key: Mapping[str, str], launches: Sequence[Launch], load: Callable[[Launch], Candidate]) -> Launch:
        """Return the launch remembered for ``key``, else the fastest of those that load and do not spill.

        Args:
            key: All that the times depend on: chip, versions, Problem, memory formats.
            launches: What is compared. The first is taken where none of them can be timed.
            load: Compiles and loads one; a KernelError rules it out.
        """
        ways: dict[tuple[tuple[str, int], ...], Launch] = {}
        for launch in launches:
            ways.setdefault(tuple(configuration(launch).items()), launch)
        remembered = self._choices.get(key)
        if remembered is not None and tuple(remembered.items()) in ways:
            return ways[tuple(remembered.items())]
        times: list[tuple[float, Launch]] = []
        for launch in ways.values():
            try:
                candidate = load(launch)
                reason = why_not_timed(launch, candidate.taken)
                if reason is None:
                    times.append((self._timer(candidate.run), launch))
            except KernelError as error:
                reason = str(error)
            if reason is not None:
                _log.info("not timed: %s: %s", configuration(launch), reason)
        if not times:
            return launches[0]
        milliseconds, best = min(times, key=lambda timed: timed[0])
        _log.info("%.4f ms, the best of %d: %s for %s", milliseconds, len(times), configuration(best), dict(key))
        self._choices.put(key, configuration(best))
        return best


class Choices:
    """What was found fastest, kept on disk: a JSON file for each key, so that writers never meet.

    Files are renamed into place: others see all of one or nothing. Of two that write the same key, the last one wins.
    A file that is not as it should be, or a folder that cannot be written, costs a warning and a new search.

    Args:
        folder: It is made when there is something to keep.
        most: How many files are kept.
    """

    def __init__(self, folder: Path, most: int = REMEMBERED) -> None:
        self.folder = folder
        self.most = most

    def get(self, key: Mapping[str, str]) -> dict[str, int] | None:
        """Return the configuration remembered for a key, or None."""
        path = self._path(key)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or not JSON
            _ignored(path, error)
            return None
        if not (isinstance(found, dict) and found.get("key") == dict(key) and _is_configuration(found.get("fastest"))):
            _ignored(path, "not what a tuner writes for this problem")
            return None
        configuration: dict[str, int] = found["fastest"]
        return configuration

    def put(self, key: Mapping[str, str], fastest: Mapping[str, int]) -> None:
        """Remember a configuration."""
        path = self._path(key)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self.folder, prefix=path.stem, suffix=".tmp", delete=False
            ) as file:
                json.dump({"key": dict(key), "fastest": dict(fastest)}, file, indent=1)
            Path(file.name).replace(path)
            self._forget_the_oldest()
        except OSError as error:
            warnings.warn(
                f"{self.folder} cannot be written ({error}): what was tuned is forgotten with this process; set "
                "KUSARI_CACHE to a folder that can",
                RuntimeWarning,
                stacklevel=2,
            )

    def _path(self, key: Mapping[str, str]) -> Path:
        text = json.dumps(dict(key), sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"

    def _forget_the_oldest(self) -> None:
        files = list(self.folder.iterdir())  # what a killed process left half-written too
        if len(files) <= self.most:
            return
        ages = {}
        for file in files:
            try:
                ages[file] = file.stat().st_mtime_ns
            except FileNotFoundError:  # another process was faster
                continue
        for file in sorted(ages, key=ages.__getitem__)[: max(0, len(ages) - self.most)]:
            file.unlink(missing_ok=True)


def event_timer(cupy: ModuleType) -> Callable[[Callable[[], None]], float]:
    """Return a timer on CuPy's current stream.

    A sample repeats the launch for about `SPAN` milliseconds; arrays that fit the second-level cache are found there.
    """

    def sample(run: Callable[[], None], times: int) -> float:
        start, stop = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        for _ in range(times):
            run()
        stop.record()
        stop.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, stop)) / times

    def time(run: Callable[[], None]) -> float:
        run()
        times = max(1, min(100, int(SPAN / max(sample(run, 1), 1e-3))))
        return statistics.median(sample(run, times) for _ in range(SAMPLES))

    return time


def _is_configuration(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(type(number) is int for number in value.values())


def _ignored(path: Path, why: object) -> None:
    warnings.warn(f"{path} is ignored and will be written anew: {why}", RuntimeWarning, stacklevel=3)
