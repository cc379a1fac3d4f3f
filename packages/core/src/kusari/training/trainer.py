"""Trainer: the loop of updates, with extensions around it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kusari.backend.random import restore_streams, save_streams
from kusari.reporter import Reporter
from kusari.serializer import Deserializer
from kusari.training.entry import Entry, named
from kusari.training.extension import Extension, refuse_unknown
from kusari.training.triggers.interval_trigger import get_trigger

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.updater import Updater


class Trainer:
    """Run the training loop: an update, then the extensions whose triggers say so, until the stop trigger fires.

    In each iteration ``observation`` starts empty and collects what is reported. Extensions run in the order of their
    priority; those that want the finished iteration, snapshots above all, run last, after every trigger has been
    asked, so that what they save is what the next iteration starts from.

    When an update or an extension raises, extensions are told by ``on_error``; everything is finalized, and the
    exception goes on to the caller with a note that says where it happened. Ctrl-C does the same without ``on_error``.

    Args:
        updater: What does the updates.
        stop_trigger: When to stop: ``(20, "epoch")``, any trigger, or None for never. It is asked before the first
            iteration and after each.
        out: The folder for whatever extensions write; made if need be.
        extensions: To `extend` it with, each by its own name, trigger and priority.

    Attributes:
        updater: As given.
        stop_trigger: As a function of the trainer.
        observation: What the current iteration reported, by name.
        out: As given.
        reporter: Where links and extensions report to during the run.

    >>> import tempfile
    >>> digits = kusari.datasets.TupleDataset(np.eye(4, dtype="f"), np.arange(4, dtype="i"))
    >>> optimizer = kusari.optimizers.SGD(lr=1.0).setup(L.Classifier(L.Linear(4, 4)))
    >>> updater = kusari.training.StandardUpdater(kusari.iterators.SerialIterator(digits, 2), optimizer)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     trainer = Trainer(updater, (3, "epoch"), out=folder)
    ...     trainer.extend(kusari.training.extensions.LogReport())
    ...     trainer.run()
    >>> [(entry["epoch"], entry["iteration"]) for entry in trainer.get_extension("LogReport").log]
    [(1, 2), (2, 4), (3, 6)]
    """

    def __init__(
        self,
        updater: Updater,
        stop_trigger: Any = None,
        out: str | os.PathLike[str] = "result",
        extensions: Sequence[Any] | None = None,
    ) -> None:
        self.updater = updater
        self.stop_trigger = get_trigger(stop_trigger)
        self.observation: dict[str, Any] = {}
        self.out = os.fspath(out)
        self.reporter = Reporter()
        for name, optimizer in updater.get_all_optimizers().items():
            self.reporter.add_observer(name, optimizer.target)
            self.reporter.add_observers(name, optimizer.target.namedlinks(skipself=True))
        updater.connect_trainer(self)
        self._extensions: dict[str, Entry] = {}
        self._done = False
        self._started_at: float | None = None
        self._elapsed_before = 0.0  # of the runs that this one resumes
        self._final_elapsed_time: float | None = None
        self._streams: str | None = None  # where the random streams of the run that this one resumes were
        for extension in extensions or ():
            self.extend(extension)

    @property
    def is_before_training(self) -> bool:
        """Whether no iteration of the training has been done, in an earlier run either."""
        return self.updater.iteration == 0

    @property
    def elapsed_time(self) -> float:
        """Seconds that the training has run, those of resumed runs included.

        Raises:
            RuntimeError: It has not begun.
        """
        if self._final_elapsed_time is not None:
            return self._final_elapsed_time
        if self._started_at is None:
            raise RuntimeError("training has not been started yet: elapsed_time is there once run() is called")
        return self._elapsed_before + time.perf_counter() - self._started_at

    # Extensions. -----------------------------------------------------------------------------------------------------

    def extend(
        self,
        extension: Callable[..., Any],
        name: str | None = None,
        trigger: Any = None,
        priority: int | None = None,
        *,
        call_before_training: bool = False,
        **kwargs: Any,
    ) -> None:
        """Register an extension.

        Args:
            extension: An `Extension`, or any function of the trainer.
            name: What it goes by. Default: its ``name``, ``default_name`` or ``__name__``. Where the name is taken,
                ``_1``, ``_2`` … is added.
            trigger: When it runs. Default: its own trigger; every iteration for a plain function.
            priority: Those with a higher one run first. Default: its own; PRIORITY_READER for a plain function.
            call_before_training: Call it once before the first iteration, too.
            **kwargs: None; the old ``invoke_before_training`` is refused with advice.

        Raises:
            TypeError: Not callable, or another keyword.
            ValueError: The name ``training``, which is reserved, or ``invoke_before_training``.
        """
        refuse_unknown("extend", kwargs)
        name = named(extension, name)
        unique, count = name, 0
        while unique in self._extensions:
            count += 1
            unique = f"{name}_{count}"
        if isinstance(extension, Extension):
            extension.name = unique
        self._extensions[unique] = Entry(unique, extension, trigger, priority, call_before_training)

    def get_extension(self, name: str) -> Any:
        """Return the extension of that name.

        Raises:
            ValueError: There is none.
        """
        if name not in self._extensions:
            raise ValueError(f"extension {name!r} not found; registered: {', '.join(self._extensions) or 'none'}")
        return self._extensions[name].extension

    # Running. --------------------------------------------------------------------------------------------------------

    def run(self, show_loop_exception_msg: bool = True) -> None:
        """Train until the stop trigger fires. A trainer runs once.

        Args:
            show_loop_exception_msg: Print on stderr what went wrong at once, before extensions are finalized: that
                may take a while.

        Raises:
            RuntimeError: It has run already.
            OSError: The output folder cannot be made.
        """
        if self._done:
            raise RuntimeError("cannot run training loop multiple times; make a new Trainer, and resume a snapshot")
        self._done = True
        self._make_output_folder()
        entries = sorted(self._extensions.values(), key=lambda entry: -entry.priority)
        self._started_at = time.perf_counter()
        failure: BaseException | None = None
        try:
            self._prepare(entries)
            self._loop(entries)
        except BaseException as error:
            failure = error
            if isinstance(error, KeyboardInterrupt):
                self._say(f"Interrupted {self._where()}. Finishing what is being written.")
            elif isinstance(error, Exception):
                if show_loop_exception_msg:
                    self._say(f"Exception in main training loop, {self._where()}: {error}\n{traceback.format_exc()}")
                    self._say("Will finalize trainer extensions and updater before reraising the exception.")
                self._tell(entries, error)
            raise
        finally:
            self._final_elapsed_time = self.elapsed_time
            self._finalize(entries, failure)

    def _make_output_folder(self) -> None:
        try:
            os.makedirs(self.out, exist_ok=True)
        except OSError as error:
            error.add_note(f"Trainer(out={self.out!r}): the output folder cannot be made; choose another one")
            raise

    def _prepare(self, entries: list[Entry]) -> None:
        # What may restore the trainer goes first: the others start from where it stands then.
        for entry in sorted(entries, key=lambda entry: not entry.after_all):
            with _noting(entry, "initialize"):
                entry.call("initialize", self)
        with self.reporter.scope(self.observation):
            for entry in entries:
                if entry.call_before_training:
                    with _noting(entry, "the call before training"):
                        entry.extension(self)
        if self._streams is not None:  # somebody may have drawn since the snapshot was loaded
            restore_streams(self._streams)

    def _loop(self, entries: list[Entry]) -> None:
        update, reporter, stop_trigger = self.updater.update, self.reporter, self.stop_trigger
        ordinary = [entry for entry in entries if not entry.after_all]
        last = [entry for entry in entries if entry.after_all]
        entry: Entry | None = None
        stop = stop_trigger(self)
        try:
            while not stop:
                entry = None
                self.observation = {}
                with reporter.scope(self.observation):
                    update()
                    for entry in ordinary:
                        if entry.trigger(self):
                            entry.extension(self)
                    entry = None
                    stop = stop_trigger(self)
                    # All are asked before the first one saves: their answers are part of what is saved.
                    due = [entry for entry in last if entry.trigger(self)] if last else last
                    for entry in due:
                        entry.extension(self)
        except Exception as error:
            if entry is not None:
                error.add_note(f"in extension {entry.name!r}")
            raise

    def _where(self) -> str:
        detail = getattr(self.updater, "epoch_detail", None)
        epoch = "" if detail is None else f" (epoch {detail:.4g})"
        return f"after {self.updater.iteration} iterations{epoch}"

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # stderr may be gone; the exception itself is on its way
            print(text, file=sys.stderr, flush=True)

    def _tell(self, entries: list[Entry], error: Exception) -> None:
        for entry in entries:
            try:
                entry.call("on_error", self, error, error.__traceback__)
            except Exception as second:  # noqa: BLE001  # whatever it is, the first error is what is raised
                _note_second(error, f"on_error of extension {entry.name!r}", second)
                self._say(f"on_error of extension {entry.name!r} failed: {type(second).__name__}: {second}")

    def _finalize(self, entries: list[Entry], failure: BaseException | None) -> None:
        """Finalize everything, whatever fails on the way; raise the first failure unless another is on its way."""
        first = failure
        steps = [(f"finalize of extension {entry.name!r}", entry.finalize) for entry in entries]
        for what, finalize in [*steps, ("finalize of the updater", self.updater.finalize)]:
            try:
                finalize()
            except Exception as error:  # noqa: BLE001  # raised below, or noted on what is raised
                if first is None:
                    error.add_note(f"in {what}")
                    first = error
                else:
                    _note_second(first, what, error)
                    self._say(f"{what} failed: {type(error).__name__}: {error}")
        if failure is None and first is not None:
            raise first

    # Saving. ---------------------------------------------------------------------------------------------------------

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load everything that a resumed run needs: updater, triggers, extensions, random streams, time."""
        self.updater.serialize(serializer["updater"])
        if hasattr(self.stop_trigger, "serialize"):
            self.stop_trigger.serialize(serializer["stop_trigger"])
        for name, entry in self._extensions.items():
            if entry.has_state:  # some formats do not know parts with nothing in them
                entry.call("serialize", serializer["extensions"][name])
            if hasattr(entry.trigger, "serialize"):
                entry.trigger.serialize(serializer["extension_triggers"][name])
        elapsed = self._elapsed_before if self._started_at is None else self.elapsed_time
        elapsed = float(serializer("_snapshot_elapsed_time", elapsed))
        streams = None
        with contextlib.suppress(KeyError):  # a file from before they were saved
            streams = serializer("random_streams", save_streams())
        if isinstance(serializer, Deserializer) and not serializer.rehearsing:
            self._elapsed_before = elapsed
            self._streams = streams
            if streams is not None:
                restore_streams(streams)


@contextlib.contextmanager
def _noting(entry: Entry, what: str) -> Any:
    try:
        yield
    except Exception as error:
        error.add_note(f"in {what} of extension {entry.name!r}")
        raise


def _note_second(first: BaseException, what: str, second: Exception) -> None:
    first.add_note(f"{what} failed, too: {type(second).__name__}: {second}")
