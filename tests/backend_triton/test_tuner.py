"""The tuner without a GPU: what is tried, what is ruled out, and what is kept on disk; time is the tests' own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.backend_triton.stand_in import DriverError, StandInCupy, array

from kusari.configuration import using_config
from kusari_triton import gpu
from kusari_triton.compiled import Compiled, Slot
from kusari_triton.errors import KernelError
from kusari_triton.launch import Launch
from kusari_triton.tuner import Candidate, Choices, Taken, Tuner, configuration, event_timer

Run = Callable[[str], "subprocess.CompletedProcess[str]"]

KEY = {"device": "a chip", "problem": "a convolution"}


def launch(block: int, num_warps: int = 4) -> Launch:
    return Launch(_Function(), (1, 1, 1), {"x": None, "n": 48, "BLOCK": block}, num_warps, 2)


class _Function(SimpleNamespace):
    __name__ = "scale"

    def __init__(self) -> None:
        names = ("x", "n", "BLOCK")
        super().__init__(params=[SimpleNamespace(name=name, is_constexpr=name.isupper()) for name in names])

    __hash__ = object.__hash__  # type: ignore[assignment]


class Bench:
    """Loads launches and times them: by block, milliseconds; what is not in the table must not be run."""

    def __init__(self, milliseconds: dict[int, float], taken: dict[int, Taken] | None = None) -> None:
        self.milliseconds = milliseconds
        self.taken = taken or {}
        self.loaded: list[int] = []
        self.timed: list[int] = []

    def load(self, launch: Launch) -> Candidate:
        block = launch.arguments["BLOCK"]
        self.loaded.append(block)
        if block > 512:
            raise KernelError("too much shared memory")
        return Candidate(self.taken.get(block, Taken(64, 0)), lambda: self.timed.append(block))

    def time(self, run: Callable[[], None]) -> float:
        run()
        return self.milliseconds[self.timed[-1]]

    def choose(self, choices: Choices, launches: Sequence[Launch]) -> int:
        block: int = Tuner(choices, self.time).choose(KEY, launches, self.load).arguments["BLOCK"]
        return block


def test_the_fastest_is_taken_and_remembered(tmp_path: Path) -> None:
    bench, launches = Bench({64: 3.0, 128: 1.0, 256: 2.0}), [launch(64), launch(128), launch(256), launch(64)]
    assert bench.choose(Choices(tmp_path), launches) == 128
    assert bench.timed == [64, 128, 256]
    assert Choices(tmp_path).get(KEY) == {"BLOCK": 128, "num_warps": 4, "num_stages": 2}
    assert bench.choose(Choices(tmp_path), launches) == 128  # another process
    assert len(bench.timed) == len(bench.loaded) == 3


def test_a_remembered_choice_that_is_no_candidate_any_more_is_sought_again(tmp_path: Path) -> None:
    choices = Choices(tmp_path)
    choices.put(KEY, configuration(launch(128, num_warps=8)))
    assert Bench({64: 1.0, 128: 2.0}).choose(choices, [launch(64), launch(128)]) == 64
    assert choices.get(KEY) == configuration(launch(64))


def test_what_does_not_fit_or_spills_is_not_timed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    taken = {64: Taken(255, 8), 128: Taken(255, 0)}
    launches = [launch(1024), launch(64), launch(128, num_warps=16), launch(256)]
    bench = Bench({256: 5.0}, taken)
    with caplog.at_level("INFO", logger="kusari_triton"):
        assert bench.choose(Choices(tmp_path), launches) == 256
    assert bench.timed == [256]
    for words in ("too much shared memory", "spills: 8 bytes", "takes 130560 registers a block, there are 65536"):
        assert words in caplog.text


def test_where_none_can_be_timed_the_first_stands_and_nothing_is_kept(tmp_path: Path) -> None:
    bench = Bench({}, {64: Taken(255, 8)})
    assert bench.choose(Choices(tmp_path), [launch(64), launch(2048)]) == 64
    assert list(tmp_path.iterdir()) == []


def test_keys_do_not_meet(tmp_path: Path) -> None:
    choices = Choices(tmp_path)
    choices.put(KEY, {"BLOCK": 1})
    for name in KEY:
        other = {**KEY, name: "another"}
        assert choices.get(other) is None
        choices.put(other, {"BLOCK": 2})
    assert choices.get(KEY) == {"BLOCK": 1}
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"key"',
        b"\xff\xfe",
        b"[1, 2]",
        b"{}",
        json.dumps({"key": KEY, "fastest": {}}).encode(),
        json.dumps({"key": KEY, "fastest": {"BLOCK": "64"}}).encode(),
        json.dumps({"key": {**KEY, "device": "another"}, "fastest": {"BLOCK": 64}}).encode(),
    ],
)
def test_a_bad_file_is_ignored_with_a_warning_and_written_anew(tmp_path: Path, content: bytes) -> None:
    choices = Choices(tmp_path)
    choices.put(KEY, {"BLOCK": 64})
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    with pytest.warns(RuntimeWarning, match="is ignored and will be written anew"):
        assert choices.get(KEY) is None
    choices.put(KEY, {"BLOCK": 32})
    assert choices.get(KEY) == {"BLOCK": 32}


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    bench = Bench({64: 1.0})
    with pytest.warns(RuntimeWarning) as caught:
        assert bench.choose(Choices(tmp_path / "file"), [launch(64)]) == 64
    assert "set KUSARI_CACHE to a folder that can" in str(caught[-1].message)


def test_the_oldest_go_first(tmp_path: Path) -> None:
    choices = Choices(tmp_path, most=3)
    for number in range(6):
        choices.put({"problem": str(number)}, {"BLOCK": number})
    kept = [choices.get({"problem": str(number)}) for number in range(6)]
    assert kept == [None] * 3 + [{"BLOCK": number} for number in (3, 4, 5)]
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.processes
def test_writers_at_the_same_time(tmp_path: Path) -> None:
    """Four processes write the same keys and their own, with room for all: every file stays whole."""
    code = """
        import sys
        from pathlib import Path
        from kusari_triton.tuner import Choices
        choices, own = Choices(Path(sys.argv[1])), sys.argv[2]
        for number in range(40):
            choices.put({"problem": str(number)}, {"BLOCK": number})
            choices.put({"problem": f"{own}.{number}"}, {"BLOCK": number})
            assert choices.get({"problem": str(number)}) == {"BLOCK": number}
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), str(tmp_path)]
    writers = [subprocess.Popen([*command, own]) for own in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    choices = Choices(tmp_path)
    for number in range(40):
        for name in (str(number), *(f"{own}.{number}" for own in "abcd")):
            assert choices.get({"problem": name}) == {"BLOCK": number}
    assert len(list(tmp_path.iterdir())) == 5 * 40


class _Event:
    clock = 0.0

    def record(self) -> None:
        self.at = _Event.clock

    def synchronize(self) -> None:
        self.synchronized = True


def test_times_are_the_median_of_samples_after_a_first_run() -> None:
    """The first run compiles and fills caches: 50 ms; then 0.5 ms each, and one sample is disturbed."""
    durations = iter([50.0, 0.5] + [0.5] * 8 + [9.0] * 4)
    runs = []

    def run() -> None:
        runs.append(next(durations, 0.5))
        _Event.clock += runs[-1]

    def elapsed(start: Any, stop: Any) -> float:
        assert stop.synchronized
        return float(stop.at - start.at)

    cuda = SimpleNamespace(Event=_Event, get_elapsed_time=elapsed)
    assert event_timer(SimpleNamespace(cuda=cuda))(run) == pytest.approx(0.5)  # type: ignore[arg-type]
    assert len(runs) == 1 + 1 + 5 * 4  # samples of 2 ms


# The launcher. ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandInCupy:
    """A stand-in, a compiler whose machine code says its block, and a cache of the test's own."""
    monkeypatch.setenv("KUSARI_CACHE", str(tmp_path))

    def compiled(launch: Launch, capability: int) -> Compiled:
        block = launch.arguments["BLOCK"]
        return Compiled(f"scale{block}", b"code", 300_000 if block == 1024 else 0, (Slot("x", "*fp32"),), 0)

    monkeypatch.setattr(gpu, "compile_launch", compiled)
    monkeypatch.setattr(gpu, "version", lambda name: "1.0")
    return StandInCupy()


def run(cupy: StandInCupy, blocks: Sequence[int], plans: dict[Any, Any] | None = None) -> str:
    """Launch with variants, the widest the fastest; return the last launch's name."""
    x = array(8)
    function = _Function()

    def make(block: int) -> Launch:
        return Launch(function, (1, 1, 1), {"x": x, "n": 48, "BLOCK": block}, 4, 2, "this problem")

    def time(run: Callable[[], None]) -> float:
        run()
        return 1 / int(cupy.launched[-1][0].removeprefix("scale"))

    def variants(shared: int) -> list[Launch]:
        assert shared == 232_448
        return [make(block) for block in blocks]

    gpu.CupyLauncher(cupy, time).run({} if plans is None else plans, "key", {"x": x}, lambda: make(64), variants)
    return cupy.launched[-1][0]


def test_without_autotune_nothing_is_timed(cupy: StandInCupy, tmp_path: Path) -> None:
    assert run(cupy, [128, 256]) == "scale64"
    assert len(cupy.launched) == 1
    assert list(tmp_path.iterdir()) == []


def test_autotune_takes_the_fastest_that_fits(cupy: StandInCupy, tmp_path: Path) -> None:
    plans: dict[Any, Any] = {}
    with using_config("autotune", True):
        assert run(cupy, [128, 256, 1024], plans) == "scale256"
        assert [name for name, *_ in cupy.launched] == ["scale64", "scale128", "scale256", "scale256"]
        assert run(cupy, [128, 256, 1024], plans) == "scale256"  # made ready
        assert run(cupy, [128, 256]) == "scale256"  # from disk
        assert len(cupy.launched) == 6
    (file,) = (tmp_path / "triton" / "tuned").iterdir()
    key = json.loads(file.read_text())["key"]
    assert key["device"] == "Stand-in 90"
    assert key["versions"] == "triton 1.0, cupy 14.0.0, kusari 1.0"
    assert (key["kernel"], key["problem"]) == ("scale", "this problem")


def test_a_variant_that_cuda_refuses_is_ruled_out(cupy: StandInCupy) -> None:
    cupy.failures = [None, None, None, DriverError(701)]  # loading, launching; the second is refused
    with using_config("autotune", True):
        assert run(cupy, [128, 256]) == "scale256"
    assert [name for name, *_ in cupy.launched] == ["scale64", "scale256", "scale256"]


# The tables. --------------------------------------------------------------------------------------------------------


def test_candidates_fill_what_they_are_for() -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    from kusari_triton.candidates import PRODUCTS, worthwhile
    from kusari_triton.tiles import Blocks

    for kind, itemsize, little in (("ieee", 4, 30_000), ("tf32", 4, 60_000), ("half", 2, 60_000)):
        assert worthwhile(PRODUCTS[kind], 10**5, 512, itemsize, 232_448) == tuple(PRODUCTS[kind])
        assert all(blocks.columns <= 32 for blocks in worthwhile(PRODUCTS[kind], 10**5, 20, itemsize, 232_448))
        assert all(blocks.rows <= 64 for blocks in worthwhile(PRODUCTS[kind], 50, 512, itemsize, 232_448))
        small = worthwhile(PRODUCTS[kind], 10**5, 512, itemsize, little)
        assert 0 < len(small) < len(PRODUCTS[kind])
    assert worthwhile([Blocks(256, 256, 16, 4)], 10**5, 512, 4, 232_448) == ()  # 512 sums a thread


# Nothing is compiled: a kernel is what it is told to be, and the last one tried is the fastest.
CONVOLUTIONS = """
import collections, itertools
import numpy as np
from tests.backend_triton.stand_in import array, gpu_backend
from kusari.configuration import global_config
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari_triton import gpu
from kusari_triton.compiled import Compiled, Slot
from kusari_triton.launch import specialize
from kusari_triton.tuner import configuration

tried = collections.defaultdict(list)

def compiled(launch, capability):
    tried[launch.function.__name__].append(configuration(launch))
    told = specialize(launch).signature
    slots = tuple(Slot(name, type_) for name, type_ in told.items() if type_ != "constexpr")
    return Compiled(launch.function.__name__, b"", 0, slots, 0)

gpu.compile_launch = compiled
gpu.version = lambda name: "1.0"
global_config.autotune = True
backend, cupy = gpu_backend()
times = itertools.count(0, -1)
backend.launcher._timer = lambda run: run() or next(times)
for x, W, groups in (((2, 64, 20, 20), (64, 64, 3, 3), 1), ((2, 64, 20, 20), (64, 1, 3, 3), 64)):
    problem = ConvolutionProblem(x, W, Window((3, 3), (1, 1), (1, 1), (1, 1)), np.dtype("e"), None, groups)
    plan = Convolution.plan(backend, problem)
    x, W, gy = (array(*shape, dtype=np.float16) for shape in (x, W, problem.y))
    plan.forward(x, W, None), plan.grad_input(W, gy), plan.grad_weight(x, gy)
assert tried.pop("add_partial_gradients")
assert len(tried) == 6, list(tried)
launched = collections.Counter(name for name, *_ in cupy.launched)
for name, cuts in tried.items():
    assert len(cuts) == len({str(cut) for cut in cuts}) > 3, (name, cuts)
    assert launched[name] == len(cuts) + 1, name
"""


@pytest.mark.processes
def test_convolutions_are_tried_in_several_ways(compiling: Run) -> None:
    done = compiling(f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n{CONVOLUTIONS}")
    assert done.returncode == 0, done.stderr
