from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
from kusari import training
from kusari.training import extensions

Make = Callable[..., training.Trainer]


class Noting(training.Extension):
    """Write down whatever happens to it; raise where told."""

    def __init__(self, notes: list[Any], name: str, priority: int = 100, raises: str = "", at: int = 2) -> None:
        self.notes, self.priority, self.raises, self.at = notes, priority, raises, at
        self.name = name

    def _note(self, what: str, *details: Any) -> None:
        self.notes.append((what, self.name, *details))
        if self.raises == what:
            raise OSError(f"{what} of {self.name}")

    def initialize(self, trainer: training.Trainer) -> None:
        self._note("initialize")

    def __call__(self, trainer: training.Trainer) -> None:
        self.notes.append(("call", self.name, trainer.updater.iteration))
        if self.raises == "call" and trainer.updater.iteration == self.at:
            raise OSError(f"call of {self.name}")

    def on_error(self, trainer: training.Trainer, exc: Exception, tb: Any) -> None:
        assert tb is exc.__traceback__
        self._note("on_error", str(exc))

    def finalize(self) -> None:
        self._note("finalize")


class Last(Noting):
    after_all = True


def test_order(counting: Make) -> None:
    notes: list[Any] = []
    trainer = counting(until=1)
    for name, priority in (("reader", 100), ("writer", 300), ("another reader", 100), ("late", -500)):
        trainer.extend(Noting(notes, name, priority))
    trainer.extend(Last(notes, "last", 1000))
    trainer.run()
    names = ["writer", "reader", "another reader", "late"]
    assert notes == [
        ("initialize", "last"),
        *(("initialize", name) for name in names),
        *(("call", name, 1) for name in names),
        ("call", "last", 1),
        *(("finalize", name) for name in ["last", *names]),
    ]
    assert trainer.updater.finalized == 1  # type: ignore[attr-defined]


def test_all_triggers_are_asked_before_the_first_snapshot(counting: Make) -> None:
    notes: list[Any] = []

    def asked(name: str) -> Callable[[Any], bool]:
        return lambda trainer: notes.append(name) is None

    trainer = counting(until=lambda trainer: notes.append("stop") is None and trainer.updater.iteration == 1)
    for name in ("a", "b"):
        trainer.extend(Last(notes, name), trigger=asked(name))
    trainer.extend(lambda trainer: notes.append("ordinary"))
    notes.clear()
    trainer.run()
    calls = [note for note in notes if isinstance(note, str) or note[0] == "call"]
    assert calls == ["stop", "ordinary", "stop", "a", "b", ("call", "a", 1), ("call", "b", 1)]


def test_each_iteration_observes_anew(counting: Make, observing: Any) -> None:
    trainer, seen = counting(until=3), []
    trainer.extend(observing([1, None, 3]))
    trainer.extend(lambda trainer: seen.append(dict(trainer.observation)))
    trainer.extend(lambda trainer: kusari.report({"reported": 1}), priority=200, trigger=(3, "iteration"))
    trainer.run()
    assert seen == [{"x": 1}, {}, {"x": 3, "reported": 1}]


def test_links_report_under_the_name_of_their_optimizer(small: Make) -> None:
    trainer, seen = small(until=(1, "iteration")), set()
    trainer.extend(lambda trainer: seen.update(trainer.observation))
    trainer.run()
    assert seen == {"main/loss", "main/accuracy"}


@pytest.mark.parametrize("until", [None, 0, 7, (2, "epoch")])
def test_when_it_stops(counting: Make, until: Any) -> None:
    if until is None:
        trainer = counting(until=None)

        def interrupt(trainer: training.Trainer) -> None:
            raise KeyboardInterrupt

        trainer.extend(interrupt, trigger=(50, "iteration"))
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
        assert trainer.updater.iteration == 50
        return
    trainer = counting(until=(lambda trainer: True) if until == 0 else until)
    trainer.run()
    assert trainer.updater.iteration == {0: 0, 7: 7}.get(until, 20)


def test_names(counting: Make) -> None:
    trainer = counting(extensions=[extensions.LogReport()])
    first, second = (extensions.Evaluator([], kusari.Link()) for _ in range(2))
    for extension in (first, second, print, lambda trainer: None):
        trainer.extend(extension)
    trainer.extend(print, name="print")
    assert trainer.get_extension("LogReport").log == []
    assert trainer.get_extension("validation_1") is second
    assert (first.name, second.name) == ("validation", "validation_1")
    assert trainer.get_extension("print") is trainer.get_extension("print_1") is print
    assert callable(trainer.get_extension("<lambda>"))
    with pytest.raises(ValueError, match="'nobody' not found; registered: LogReport, validation"):
        trainer.get_extension("nobody")


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ([3], {}, TypeError, "expected an Extension or a function of the trainer, got int"),
        ([print], {"name": "training"}, ValueError, "prohibited"),
        ([print], {"invoke_before_training": True}, ValueError, "call_before_training"),
        ([print], {"trigger": 5}, TypeError, "trigger 5"),
        ([print], {"trigers": 5}, TypeError, "unexpected keyword"),
    ],
)
def test_wrong_extensions(counting: Make, arguments: Any, options: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        counting().extend(*arguments, **options)


def test_make_extension(counting: Make) -> None:
    notes: list[str] = []

    @training.make_extension(
        trigger=(2, "iteration"),
        default_name="even",
        priority=250,
        initializer=lambda trainer: notes.append("initialize"),
        finalizer=lambda: notes.append("finalize"),
        on_error=lambda trainer, exc, tb: notes.append("on_error"),
    )
    def extension(trainer: training.Trainer) -> None:
        notes.append(f"call {trainer.updater.iteration}")

    trainer = counting(until=5)
    trainer.extend(extension, call_before_training=True)
    trainer.run()
    assert trainer.get_extension("even") is extension
    assert notes == ["initialize", "call 0", "call 2", "call 4", "finalize"]
    with pytest.raises(ValueError, match="initializer="):
        training.make_extension(invoke_before_training=True)


def test_it_runs_once(counting: Make) -> None:
    trainer = counting(until=1)
    trainer.run()
    with pytest.raises(RuntimeError, match="cannot run training loop multiple times"):
        trainer.run()


def test_time(counting: Make) -> None:
    trainer = counting(until=2)
    assert trainer.is_before_training
    with pytest.raises(RuntimeError, match="not been started"):
        trainer.elapsed_time  # noqa: B018
    seen: list[float] = []
    trainer.extend(lambda trainer: seen.append(trainer.elapsed_time))
    trainer.run()
    assert not trainer.is_before_training
    assert 0 < seen[0] < seen[1] <= trainer.elapsed_time == trainer.elapsed_time


# What goes wrong. ----------------------------------------------------------------------------------------------------


def run_into(trainer: training.Trainer, error: type[BaseException] = OSError) -> BaseException:
    with pytest.raises(error) as caught:
        trainer.run()
    return caught.value


@pytest.mark.parametrize("raises", ["initialize", "call", "finalize"])
def test_an_extension_that_raises(counting: Make, raises: str, capsys: pytest.CaptureFixture[str]) -> None:
    notes: list[Any] = []
    trainer = counting(until=3)
    trainer.extend(Noting(notes, "sound"))
    trainer.extend(Noting(notes, "broken", raises=raises))
    error = run_into(trainer)
    assert str(error) == f"{raises} of broken"
    assert any("extension 'broken'" in note for note in error.__notes__)
    assert notes[-2:] == [("finalize", "sound"), ("finalize", "broken")]
    assert trainer.updater.finalized == 1  # type: ignore[attr-defined]
    told = [note for note in notes if note[0] == "on_error"]
    assert told == ([] if raises == "finalize" else [("on_error", name, str(error)) for name in ("sound", "broken")])
    printed = capsys.readouterr().err
    if raises == "call":
        assert "Exception in main training loop, after 2 iterations (epoch 0.2): call of broken" in printed
        assert "Traceback" in printed


def test_the_message_can_be_left_out(counting: Make, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = counting(until=3)
    trainer.extend(Noting([], "broken", raises="call"))
    with pytest.raises(OSError, match="call of broken"):
        trainer.run(show_loop_exception_msg=False)
    assert capsys.readouterr().err == ""


def test_the_first_error_is_the_one_that_is_raised(counting: Make, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Noting):
        def on_error(self, trainer: training.Trainer, exc: Exception, tb: Any) -> None:
            raise TypeError("second")

        def finalize(self) -> None:
            super().finalize()
            raise ValueError("third")

    notes: list[Any] = []
    trainer = counting(until=3)
    trainer.extend(Broken(notes, "broken", raises="call"))
    trainer.extend(Noting(notes, "sound"))
    error = run_into(trainer)
    text = "\n".join(error.__notes__)
    assert "on_error of extension 'broken' failed, too: TypeError: second" in text
    assert "finalize of extension 'broken' failed, too: ValueError: third" in text
    assert "ValueError: third" in capsys.readouterr().err
    assert notes[-1] == ("finalize", "sound")


def test_an_error_of_a_finalizer_alone_is_raised_even_within_a_handler(counting: Make) -> None:
    trainer = counting(until=1)
    trainer.extend(Noting([], "broken", raises="finalize"))
    try:
        raise RuntimeError("of the caller's, who trains within its handler")
    except RuntimeError:
        run_into(trainer)


def test_an_update_that_raises(counting: Make) -> None:
    notes: list[Any] = []
    trainer = counting(until=3)
    trainer.extend(Noting(notes, "one"))

    def fail() -> None:
        raise ZeroDivisionError("in the update")

    trainer.updater.during = fail  # type: ignore[attr-defined]
    error = run_into(trainer, ZeroDivisionError)
    assert not hasattr(error, "__notes__")
    assert notes == [("initialize", "one"), ("on_error", "one", "in the update"), ("finalize", "one")]


class WithoutOne:
    """So many numbers, one of which cannot be read."""

    def __init__(self, size: int, missing: int) -> None:
        self.size, self.missing = size, missing

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Any:
        if index == self.missing:
            raise OSError("the file is damaged")
        return np.float32([index])


@pytest.mark.parametrize("kind", [kusari.iterators.SerialIterator, kusari.iterators.MultithreadIterator])
def test_a_dataset_that_raises(kind: Any, tmp_path: Path) -> None:
    """What it raised comes out, with the example's number; what was saved before is whole, and can be resumed."""

    def make(missing: int, out: Path) -> training.Trainer:
        model = kusari.links.Linear(1, 1, initialW=0.0)
        optimizer = kusari.optimizers.SGD(0.0).setup(model)
        iterator = kind(WithoutOne(2000, missing), 100, shuffle=False)
        updater = training.StandardUpdater(iterator, optimizer, loss_func=lambda x: kusari.functions.sum(model(x)))
        trainer = training.Trainer(updater, (1, "epoch"), out=out)
        trainer.extend(extensions.snapshot(n_retains=1, autoload=True), trigger=(5, "iteration"))
        return trainer

    trainer = make(1234, tmp_path)
    error = run_into(trainer)
    assert isinstance(error, OSError)
    assert error.__notes__ == ["in dataset[1234]"]
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot_iter_10"]
    mended = make(-1, tmp_path)
    mended.run()
    assert mended.updater.iteration == 20


@pytest.mark.parametrize("leave", [KeyboardInterrupt, SystemExit])
def test_leaving_is_no_error(counting: Make, leave: type, capsys: pytest.CaptureFixture[str]) -> None:
    notes: list[Any] = []
    trainer = counting(until=3)
    trainer.extend(Noting(notes, "one"))

    def go(trainer: training.Trainer) -> None:
        raise leave

    trainer.extend(go)
    run_into(trainer, leave)
    assert [note[0] for note in notes] == ["initialize", "call", "finalize"]
    assert ("Interrupted after 1 iterations" in capsys.readouterr().err) is (leave is KeyboardInterrupt)


def test_an_output_folder_that_cannot_be_made(counting: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    trainer = counting(out=tmp_path / "file" / "out")
    error = run_into(trainer)
    assert "the output folder cannot be made; choose another one" in error.__notes__[0]
    assert trainer.updater.iteration == 0


def test_a_loss_that_is_not_a_number(small: Make, observing: Any) -> None:
    """It goes on: the log says NaN, and no trigger takes it for the best."""
    trainer = small(until=(4, "iteration"))
    trainer.extend(observing([1.0, float("nan"), 0.5, 2.0], "main/loss"))
    log = extensions.LogReport(trigger=(1, "iteration"))
    best: list[int] = []
    trainer.extend(log)
    trainer.extend(
        lambda trainer: best.append(trainer.updater.iteration),
        trigger=training.triggers.MinValueTrigger("main/loss", (1, "iteration")),
    )
    trainer.run()
    assert [str(entry["main/loss"]) for entry in log.log] == ["1.0", "nan", "0.5", "2.0"]
    assert best == [1, 3]


INTERRUPTED = """
    import signal, sys, time
    import kusari, numpy as np
    from kusari import training
    from kusari.training import extensions
    from kusari.training.extensions import snapshot_writers

    def slowly(path, target):
        print("writing", flush=True)
        time.sleep(1)
        kusari.serializers.save_npz(path, target)

    if __name__ == "__main__":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background begins by ignoring it
        model = kusari.links.Linear(2, 1)
        optimizer = kusari.optimizers.SGD().setup(model)
        data = np.zeros((8, 2), "f")
        iterator = kusari.iterators.SerialIterator(data, 2)
        updater = training.StandardUpdater(iterator, optimizer, loss_func=lambda x: kusari.functions.sum(model(x)))
        trainer = training.Trainer(updater, None, out=sys.argv[1])
        writer = getattr(snapshot_writers, sys.argv[2])(slowly)
        trainer.extend(extensions.snapshot(writer=writer, filename="s"), trigger=(3, "iteration"))
        trainer.extend(lambda trainer: time.sleep(0.05))
        trainer.run()
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("writer", ["ThreadQueueWriter", "ProcessWriter"])
def test_ctrl_c_loses_no_snapshot(tmp_path: Path, writer: str) -> None:
    """Pressed while one is written in the background, by the terminal to all processes, it waits for that one."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(INTERRUPTED))
    with subprocess.Popen(
        [sys.executable, program, tmp_path / "out", writer],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "writing\n"
            assert not (tmp_path / "out" / "s").exists()
            os.killpg(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert "Interrupted after" in errors
    assert errors.rstrip().endswith("KeyboardInterrupt")
    with np.load(tmp_path / "out" / "s") as saved:
        assert saved["updater/iteration"] >= 3
