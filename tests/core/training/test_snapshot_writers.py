from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
from kusari import training
from kusari.serializers import load_npz, save_npz
from kusari.training import extensions
from kusari.training.extensions import snapshot_writers

Make = Callable[..., training.Trainer]
EACH = (1, "iteration")


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


WRITERS = ["SimpleWriter", "ThreadWriter", "ProcessWriter", "ThreadQueueWriter", "ProcessQueueWriter"]


@pytest.mark.parametrize("name", WRITERS)
def test_writers(name: str, tmp_path: Path) -> None:
    writer = getattr(snapshot_writers, name)()
    expected = {}
    try:
        for number in range(3):
            target = {"x": np.full(100, number), "none": None}
            expected[f"file{number}"] = number
            writer(f"file{number}", str(tmp_path), target)
    finally:
        writer.finalize()
    found = {}
    for file in files(tmp_path):
        values = {"x": np.zeros(100, int)}
        load_npz(tmp_path / file, _Holder(values))
        found[file] = values["x"][0]
    assert found == expected


class _Holder:
    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def serialize(self, serializer: Any) -> None:
        for key, value in self.values.items():
            self.values[key] = serializer(key, value)


def save_wrongly(path: str, target: Any) -> None:
    raise LookupError("nothing is right")


PROCESSES = {name: pytest.param(name, marks=pytest.mark.processes) for name in WRITERS if name.startswith("Process")}


@pytest.mark.parametrize("name", [PROCESSES.get(name, name) for name in WRITERS])
def test_errors_of_writers(name: str, tmp_path: Path) -> None:
    writer = getattr(snapshot_writers, name)(save_wrongly)
    with pytest.raises(LookupError, match="nothing is right"):
        try:
            writer("file", str(tmp_path), {})
        finally:
            writer.finalize()
    writer.finalize()
    assert files(tmp_path) == []


@pytest.mark.parametrize("make", [snapshot_writers.ThreadWriter, snapshot_writers.ThreadQueueWriter])
def test_a_failure_in_the_background_does_not_cost_the_next_one(make: Callable[..., Any], tmp_path: Path) -> None:
    saving = iter([save_wrongly, save_npz])
    called = threading.Event()

    def save(path: str, target: Any) -> None:
        called.wait(30)  # an error that is there before the call returns is raised by the call
        next(saving)(path, target)

    writer = make(save)
    writer("first", str(tmp_path), {})
    called.set()
    with pytest.raises(LookupError):
        try:
            writer("second", str(tmp_path), {"x": 1})
        finally:
            writer.finalize()
    writer.finalize()
    assert files(tmp_path) == ["second"]


@pytest.mark.processes
def test_a_background_process_that_dies(tmp_path: Path) -> None:
    writer = snapshot_writers.ProcessWriter(die)
    writer("file", str(tmp_path), {})
    with pytest.raises(RuntimeError, match="ended before it was done"):
        writer.finalize()


def die(path: str, target: Any) -> None:
    os._exit(3)


def test_what_is_written_later_is_what_was_there_then(small: Make, tmp_path: Path) -> None:
    """The training goes on while a thread writes: it writes copies."""
    gate = threading.Event()

    def slowly(path: str, target: Any) -> None:
        gate.wait(30)
        save_npz(path, target)

    trainer = small(until=(4, "iteration"))
    model = trainer.updater.get_optimizer("main").target
    writer = snapshot_writers.ThreadQueueWriter(slowly)
    trainer.extend(extensions.snapshot_object(model, "{.updater.iteration}", writer=writer), trigger=EACH)
    seen: list[Any] = []
    trainer.extend(lambda trainer: seen.append(model.predictor.l1.W.array.copy()))
    trainer.extend(lambda trainer: gate.set(), trigger=(4, "iteration"))
    trainer.run()
    for number, expected in enumerate(seen, 1):
        with np.load(tmp_path / "out" / str(number)) as saved:
            assert np.array_equal(saved["predictor/l1/W"], expected)


def test_own_writers(tmp_path: Path) -> None:
    """The documented ways to write one: a worker for each file, a queue and its consumer."""
    import queue

    class OwnThreads(snapshot_writers.StandardWriter):
        def create_worker(self, filename: str, outdir: str, target: Any, **kwds: Any) -> Any:
            savefun = kwds.pop("savefun")
            return threading.Thread(target=self.save, args=(filename, outdir, target, savefun), kwargs=kwds)

    class OwnQueue(snapshot_writers.QueueWriter):
        def create_queue(self) -> Any:
            return queue.Queue()

        def create_consumer(self, q: Any) -> Any:
            return threading.Thread(target=self.consume, args=(q,))

    for writer in (OwnThreads(save_npz, compression=False), OwnQueue()):
        for name in ("a", "b"):
            writer(name, str(tmp_path), {"x": 1})
        writer.finalize()
        assert files(tmp_path) == ["a", "b"]
        for name in ("a", "b"):
            (tmp_path / name).unlink()


def test_no_warning_comes_of_the_numbering_of_sequentials(tmp_path: Path, counting: Make) -> None:
    """A snapshot says by which numbering it was made, as a model's file does."""

    def make() -> kusari.Sequential:
        return kusari.Sequential(*[kusari.links.Linear(2, 2) for _ in range(3)])

    source, target = make(), make()
    trainer = counting(until=1)
    trainer.extend(extensions.snapshot_object(source, "s", writer=snapshot_writers.ThreadWriter()), trigger=EACH)
    trainer.run()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_npz(tmp_path / "out" / "s", target)
    for (_, a), (_, b) in zip(source.namedparams(), target.namedparams(), strict=True):
        assert np.array_equal(a.array, b.array)
