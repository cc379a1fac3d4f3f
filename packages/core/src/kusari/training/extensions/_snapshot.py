"""Snapshots: the whole training, or one object of it, saved again and again."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kusari import serializers
from kusari.serializers import save_npz
from kusari.serializers.loading import Flattened
from kusari.training.extension import Extension
from kusari.training.extensions.snapshot_files import SnapshotFiles
from kusari.training.extensions.snapshot_writers import SimpleWriter, Writer

if TYPE_CHECKING:
    from kusari.training.trainer import Trainer

FileName = str | Callable[[Any], str]


def snapshot(
    savefun: Callable[..., Any] | None = None,
    filename: FileName = "snapshot_iter_{.updater.iteration}",
    *,
    target: Any = None,
    condition: Callable[[], bool] | None = None,
    writer: Writer | None = None,
    snapshot_on_error: bool = False,
    n_retains: int = -1,
    autoload: bool = False,
) -> Snapshot:
    """Return an extension that saves the whole training, every epoch unless its trigger is changed.

    A run that loads a snapshot goes on exactly as the saved one would have: on the same machine, with the same
    versions, its results are equal to the last bit. A snapshot is the last thing in its iteration; it is written to
    another file, forced to the disk and renamed, so that a crash never costs an earlier one. To resume, build
    everything as before, and::

        kusari.serializers.load_npz("result/snapshot_iter_1000", trainer)
        trainer.run()

    or use ``autoload=True``. A snapshot has the optimizers' hyperparameters, the random streams (NumPy's global one
    and that of Python's ``random``, too), the order of the iterators, and the state of triggers and extensions.

    Args:
        savefun: ``savefun(path, dictionary)`` writes one. Default: ``save_npz``. ``save_hdf5`` and ``save_safetensors``
            do, too.
        filename: In the output folder: a format string or a function of the trainer.
        target: What to save. Default: the trainer.
        condition: Called without arguments; False: no snapshot this time.
        writer: Writes them, in the background for example; see ``snapshot_writers``.
        snapshot_on_error: Save one when the run fails, too, in the state it has then, unless there is a snapshot of
            that name: the last one of the run that is whole.
        n_retains: How many to keep, the newest; -1: all.
        autoload: Load the newest from the output folder before training begins, if there is one; the one before, with
            a warning, where it is damaged.

    Raises:
        TypeError: Both ``savefun`` and ``writer``.
        ValueError: ``n_retains`` of 0, or a function as ``filename`` with ``n_retains`` or ``autoload``: files are
            found by the format string.
    """
    if savefun is not None and writer is not None:
        raise TypeError("savefun and writer arguments cannot be specified together: give the writer its savefun")
    if writer is None:
        writer = SimpleWriter(save_npz if savefun is None else savefun)
    return Snapshot(target, filename, writer, condition, snapshot_on_error, n_retains, autoload)


def snapshot_object(
    target: Any, filename: FileName, savefun: Callable[..., Any] | None = None, **kwargs: Any
) -> Snapshot:
    """Return an extension that saves one object, a model for example, every epoch unless its trigger is changed.

    Args:
        target: What to save: anything with a ``serialize`` method.
        filename: In the output folder: a format string or a function of the trainer.
        savefun: As for `snapshot`.
        **kwargs: The other arguments of `snapshot`.
    """
    return snapshot(savefun, filename, target=target, **kwargs)


class Snapshot(Extension):
    """What `snapshot` and `snapshot_object` return."""

    trigger = (1, "epoch")
    priority = -100
    default_name = "_Snapshot"
    after_all = True

    def __init__(
        self,
        target: Any,
        filename: FileName,
        writer: Writer,
        condition: Callable[[], bool] | None,
        snapshot_on_error: bool,
        n_retains: int,
        autoload: bool,
    ) -> None:
        if n_retains == 0 or n_retains < -1:
            raise ValueError(f"n_retains={n_retains}: expected how many snapshots to keep, or -1 for all")
        if not isinstance(filename, str) and (n_retains > 0 or autoload):
            raise ValueError("n_retains and autoload find files by a format string; filename is a function")
        self.writer = writer
        self.filename = filename
        self._target = target
        self._condition = condition
        self._snapshot_on_error = snapshot_on_error
        self._n_retains = n_retains
        self._autoload = autoload
        self._files: SnapshotFiles | None = None

    def initialize(self, trainer: Trainer) -> str | None:
        """See that snapshots can be written, and load the newest if that is wished.

        Returns:
            The name of the loaded file, or None.

        Raises:
            PermissionError: The output folder cannot be written to: better now than after the first epoch.
            TypeError: Nobody knows how to load what ``savefun`` writes.
            ValueError: There are snapshots, and none can be loaded.
        """
        if not os.access(trainer.out, os.W_OK | os.X_OK):
            raise PermissionError(f"snapshots cannot be written to {trainer.out!r}: no permission; choose another out=")
        if isinstance(self.filename, str):
            self._files = SnapshotFiles(trainer.out, self.filename)
            self._files.remove_leftovers()
        if not self._autoload or self._files is None:
            return None
        target, load = trainer if self._target is None else self._target, self._load_function()
        problem: Exception | None = None
        for name in reversed(self._files.names()):
            try:
                load(os.path.join(trainer.out, name), target)
            except (ValueError, OSError) as error:  # a damaged file; one that lacks something raises KeyError
                warnings.warn(f"the snapshot {name} cannot be loaded, trying the one before: {error}", stacklevel=2)
                problem = error
            else:
                return name
        if problem is not None:  # to begin anew would end in overwriting them
            raise problem
        return None

    def _load_function(self) -> Callable[..., Any]:
        """Return what reads the files that the writer writes."""
        savefun = getattr(self.writer, "savefun", save_npz)
        name = getattr(savefun, "__name__", type(savefun).__name__)
        load: Callable[..., Any] | None = getattr(serializers, name.replace("save_", "load_", 1), None)
        if load is None or not name.startswith("save_"):
            raise TypeError(f"autoload=True does not know how to load what {name}() writes; load it by hand")
        return load

    def __call__(self, trainer: Trainer) -> None:
        """Save, unless the condition says no.

        Raises:
            OSError: It could not be written: the disk is full, for example. Earlier ones are unchanged.
        """
        if self._condition is not None and not self._condition():
            return
        self._save(trainer, self._name(trainer))

    def _name(self, trainer: Trainer) -> str:
        return self.filename.format(trainer) if isinstance(self.filename, str) else self.filename(trainer)

    def _save(self, trainer: Trainer, name: str) -> None:
        target = trainer if self._target is None else self._target
        self.writer(name, trainer.out, Flattened(target))
        self._remove_old()

    def _remove_old(self) -> None:
        """Remove all but the newest: only files that are complete count, so what a writer has at hand is extra."""
        if self._n_retains > 0 and self._files is not None:
            self._files.keep(self._n_retains)

    def on_error(self, trainer: Trainer, exc: Exception, tb: TracebackType | None) -> None:
        if self._snapshot_on_error:
            name = self._name(trainer)
            if not os.path.exists(os.path.join(trainer.out, name)):
                self._save(trainer, name)

    def finalize(self) -> None:
        """Wait for the writer, and remove what is not to be kept."""
        self.writer.finalize()
        self._remove_old()
