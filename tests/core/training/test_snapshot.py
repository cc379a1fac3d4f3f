from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
from kusari import training
from kusari.serializers import save_hdf5, save_npz
from kusari.training import extensions
from kusari.training.extensions import snapshot_writers

pytestmark = pytest.mark.processes

Make = Callable[..., training.Trainer]
EACH = (1, "iteration")


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def iteration_of(path: Path) -> int:
    with np.load(path) as saved:
        return int(saved["updater/iteration"])


class Full:
    """Save like ``save_npz`` until told; then write a part of the file and report a full disk."""

    def __init__(self, good: int) -> None:
        self.good = good

    def __call__(self, path: str, target: Any) -> None:
        if self.good == 0:
            Path(path).write_bytes(b"PK\3\4 half of a file")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        self.good -= 1
        save_npz(path, target)


# What is saved, and how many. ----------------------------------------------------------------------------------------


def test_each_epoch_by_default(counting: Make, tmp_path: Path) -> None:
    trainer = counting(until=25)
    trainer.extend(extensions.snapshot())
    trainer.run()
    assert files(tmp_path / "out") == ["snapshot_iter_10", "snapshot_iter_20"]
    assert iteration_of(tmp_path / "out" / "snapshot_iter_20") == 20


def test_names_and_conditions(counting: Make, tmp_path: Path) -> None:
    trainer = counting(until=4)
    wanted = iter([True, False, True, False])
    trainer.extend(
        extensions.snapshot(
            filename=lambda trainer: f"number {trainer.updater.iteration}", condition=lambda: next(wanted)
        ),
        trigger=EACH,
    )
    model = trainer.updater.get_optimizer("main").target
    trainer.extend(extensions.snapshot_object(model, "model_{.updater.iteration}.npz"), trigger=(3, "iteration"))
    trainer.run()
    assert files(tmp_path / "out") == ["model_3.npz", "number 1", "number 3"]
    with np.load(tmp_path / "out" / "model_3.npz") as saved:
        assert set(saved.files) == {"W", "b"}


def test_only_the_newest_are_kept(counting: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "snapshot_iter_99").write_bytes(b"of a run that went further, long ago")
    os.utime(out / "snapshot_iter_99", (1, 1))
    (out / "snapshot_notes.txt").write_text("not a snapshot")
    trainer = counting(until=12)
    trainer.extend(extensions.snapshot(n_retains=3), trigger=EACH)
    trainer.run()
    assert files(out) == ["snapshot_iter_10", "snapshot_iter_11", "snapshot_iter_12", "snapshot_notes.txt"]


def test_a_snapshot_is_the_last_thing_in_its_iteration(counting: Make, tmp_path: Path, observing: Any) -> None:
    """What runs and is asked in the same iteration is in it, whatever was registered first."""
    trainer = counting(until=training.triggers.EarlyStoppingTrigger(EACH, "x", 9, max_trigger=(2, "iteration")))
    trainer.extend(extensions.snapshot(), trigger=EACH, priority=1000)
    best = training.triggers.MaxValueTrigger("x", EACH)
    trainer.extend(extensions.snapshot_object(trainer, "best"), trigger=best)
    trainer.extend(observing([3.0, 5.0]))
    trainer.extend(extensions.LogReport(trigger=EACH), priority=-2000)
    trainer.run()
    with np.load(tmp_path / "out" / "snapshot_iter_2") as saved:
        assert str(saved["extensions/LogReport/_log"]).count('"iteration"') == 2
        assert saved["extension_triggers/_Snapshot_1/asked_at"] == 2
        assert (saved["stop_trigger/asked_at"], saved["stop_trigger/count"]) == (2, 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_retains": 0}, ValueError, "n_retains=0"),
        ({"n_retains": -2}, ValueError, "n_retains=-2"),
        ({"n_retains": 1, "filename": str}, ValueError, "filename is a function"),
        ({"autoload": True, "filename": str}, ValueError, "filename is a function"),
        ({"savefun": save_npz, "writer": snapshot_writers.SimpleWriter()}, TypeError, "cannot be specified together"),
    ],
)
def test_wrong_arguments(options: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        extensions.snapshot(**options)


# What goes wrong. ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", ["SimpleWriter", "ThreadWriter", "ThreadQueueWriter"])
def test_a_full_disk_ends_the_run_and_costs_no_snapshot(counting: Make, tmp_path: Path, writer: str) -> None:
    trainer = counting(until=30)
    trainer.extend(extensions.snapshot(writer=getattr(snapshot_writers, writer)(Full(2)), n_retains=2), trigger=EACH)
    with pytest.raises(OSError, match="No space left") as caught:
        trainer.run()
    assert any("could not be written; what was there before is unchanged" in note for note in caught.value.__notes__)
    assert files(tmp_path / "out") == ["snapshot_iter_1", "snapshot_iter_2"]
    assert iteration_of(tmp_path / "out" / "snapshot_iter_2") == 2


def test_a_snapshot_that_fails_half_way_leaves_the_one_of_that_name(counting: Make, tmp_path: Path) -> None:
    trainer = counting(until=3)
    trainer.extend(extensions.snapshot(Full(1), "snapshot"), trigger=EACH)
    with pytest.raises(OSError, match="No space left"):
        trainer.run()
    assert files(tmp_path / "out") == ["snapshot"]
    assert iteration_of(tmp_path / "out" / "snapshot") == 1


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_file_system_that_takes_no_more(counting: Make, tmp_path: Path) -> None:
    import resource
    import signal

    trainer = counting(until=3)
    trainer.extend(extensions.snapshot(lambda path, target: save_npz(path, target, compression=False)), trigger=EACH)

    def limit(trainer: training.Trainer) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))

    trainer.extend(limit, trigger=(2, "iteration"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(OSError, match="File too large"):
            trainer.run(show_loop_exception_msg=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert files(tmp_path / "out") == ["snapshot_iter_1"]
    assert iteration_of(tmp_path / "out" / "snapshot_iter_1") == 1


def test_a_folder_without_permission(counting: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    trainer = counting(until=3)
    trainer.extend(extensions.snapshot())
    with pytest.raises(PermissionError, match=r"no permission; choose another out="):
        trainer.run()
    assert trainer.updater.iteration == 0


def test_a_folder_that_is_removed_during_the_run(counting: Make, tmp_path: Path) -> None:
    trainer = counting(until=3)
    trainer.extend(extensions.snapshot(), trigger=EACH)
    trainer.extend(lambda trainer: (tmp_path / "out").rmdir())
    with pytest.raises(FileNotFoundError) as caught:
        trainer.run()
    assert any("snapshot_iter_1 could not be written" in note for note in caught.value.__notes__)


def test_on_error(counting: Make, tmp_path: Path) -> None:
    def run(trainer: training.Trainer) -> None:
        trainer.extend(extensions.snapshot(snapshot_on_error=True))
        trainer.extend(lambda trainer: 1 / 0, trigger=(13, "iteration"))
        with pytest.raises(ZeroDivisionError):
            trainer.run(show_loop_exception_msg=False)

    run(counting())
    assert files(tmp_path / "out") == ["snapshot_iter_10", "snapshot_iter_13"]


def test_on_error_the_snapshot_of_the_whole_iteration_stays(counting: Make, tmp_path: Path) -> None:
    """An update that fails leaves the count as it was, and the rest half changed."""
    trainer = counting()
    trainer.extend(extensions.snapshot(snapshot_on_error=True), trigger=EACH)
    model = trainer.updater.get_optimizer("main").target
    trainer.extend(extensions.snapshot_object(model, "{.updater.iteration}"), trigger=(2, "iteration"))

    def fail() -> None:
        if trainer.updater.iteration == 2:
            model.W.array[...] = 777
            raise ZeroDivisionError

    trainer.updater.during = fail  # type: ignore[attr-defined]
    content: list[bytes] = []
    trainer.extend(extensions.snapshot_object(trainer, "late"), trigger=(2, "iteration"))
    with pytest.raises(ZeroDivisionError):
        trainer.run(show_loop_exception_msg=False)
    content.append((tmp_path / "out" / "snapshot_iter_2").read_bytes())
    assert files(tmp_path / "out") == ["2", "late", "snapshot_iter_1", "snapshot_iter_2"]
    assert iteration_of(tmp_path / "out" / "snapshot_iter_2") == 2
    with np.load(tmp_path / "out" / "2") as saved:
        assert saved["W"].item() != 777


# Loading by itself. --------------------------------------------------------------------------------------------------


def test_autoload_takes_the_newest(counting: Make, tmp_path: Path) -> None:
    def make(until: int, **options: Any) -> training.Trainer:
        trainer = counting(until=until)
        trainer.extend(extensions.snapshot(autoload=True, **options), trigger=EACH)
        return trainer

    make(3).run()
    started: list[int] = []
    trainer = make(5)
    trainer.extend(lambda trainer: None, name="first", call_before_training=True)
    trainer.updater.during = lambda: started.append(trainer.updater.iteration)  # type: ignore[attr-defined]
    trainer.extend(lambda trainer: None, name="second", trigger=(99, "iteration"))
    with pytest.raises(KeyError, match="first"):  # it was not there when the file was written
        trainer.run()
    trainer = make(5)
    trainer.updater.during = lambda: started.append(trainer.updater.iteration)  # type: ignore[attr-defined]
    trainer.run()
    assert started == [3, 4]


def test_autoload_restores_before_others_get_ready(counting: Make) -> None:
    seen: list[int] = []

    def run(until: int) -> None:
        trainer = counting(until=until)
        trainer.extend(
            training.make_extension(initializer=lambda trainer: seen.append(trainer.updater.iteration))(
                lambda trainer: None
            ),
            priority=1000,
            name="looks",
        )
        trainer.extend(extensions.snapshot(autoload=True))
        trainer.run()

    run(10)
    run(11)
    assert seen == [0, 10]


def test_autoload_passes_over_a_damaged_one(counting: Make, tmp_path: Path) -> None:
    trainer = counting(until=3)
    trainer.extend(extensions.snapshot(), trigger=EACH)
    trainer.run()
    newest = tmp_path / "out" / "snapshot_iter_3"
    newest.write_bytes(newest.read_bytes()[:-40])
    trainer = counting(until=4)
    trainer.extend(extensions.snapshot(autoload=True), trigger=EACH)
    with pytest.warns(UserWarning, match="snapshot_iter_3 cannot be loaded, trying the one before"):
        trainer.run()
    assert trainer.updater.iteration == 4
    assert iteration_of(newest) == 3  # written anew


def test_autoload_does_not_begin_anew_over_snapshots_that_do_not_fit(small: Make, tmp_path: Path) -> None:
    def make(size: int) -> training.Trainer:
        trainer = small(until=(2, "iteration"))
        with trainer.updater.get_optimizer("main").target.init_scope():
            trainer.updater.get_optimizer("main").target.extra = kusari.Parameter(0, (size,))
        trainer.extend(extensions.snapshot(autoload=True, n_retains=1), trigger=EACH)
        return trainer

    make(2).run()
    with pytest.warns(UserWarning, match="cannot be loaded"), pytest.raises(ValueError, match="shape"):
        make(3).run(show_loop_exception_msg=False)
    assert files(tmp_path / "out") == ["snapshot_iter_2"]


@pytest.mark.parametrize("savefun", [save_npz, save_hdf5])
def test_autoload_reads_what_was_written(counting: Make, savefun: Any) -> None:
    if savefun is save_hdf5:
        pytest.importorskip("h5py", reason="needs h5py")
    for until, begins in ((2, 0), (3, 2)):
        trainer = counting(until=until)
        trainer.extend(extensions.snapshot(savefun, autoload=True), trigger=EACH)
        begun: list[int] = []
        trainer.updater.during = lambda begun=begun, trainer=trainer: begun.append(  # type: ignore[attr-defined]
            trainer.updater.iteration
        )
        trainer.run()
        assert begun[0] == begins


def test_autoload_of_an_unknown_format(counting: Make, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "snapshot_iter_1").write_bytes(b"")
    trainer = counting()
    trainer.extend(extensions.snapshot(lambda path, target: None, autoload=True))
    with pytest.raises(TypeError, match="does not know how to load"):
        trainer.run()


def test_what_killed_runs_left_behind(counting: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name, age in ((".snapshot_iter_5.0123abcd.tmp", 7200), (".snapshot_iter_6.0123abcd.tmp", 10)):
        (out / name).write_bytes(b"half")
        os.utime(out / name, (os.stat(out).st_mtime - age,) * 2)
    trainer = counting(until=1)
    trainer.extend(extensions.snapshot())
    trainer.run()
    assert files(out) == [".snapshot_iter_6.0123abcd.tmp"]  # it may be another run's, at work
