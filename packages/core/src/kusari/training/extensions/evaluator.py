"""Evaluation on a validation set."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kusari.autograd import no_backprop_mode
from kusari.backend import Device, get_device
from kusari.configuration import using_config
from kusari.dataset.convert import concat_examples
from kusari.reporter import DictSummary, Reporter, report, report_scope
from kusari.training.console import screen
from kusari.training.extension import PRIORITY_WRITER, Extension
from kusari.training.updaters.standard_updater import by_name, call_with, find

if TYPE_CHECKING:
    from kusari.backend.selection import DeviceLike
    from kusari.training.trainer import Trainer


class Evaluator(Extension):
    """Run a model over a validation set in test mode, without gradients, and report the means.

    What the model reports as ``accuracy`` is observed as ``validation/main/accuracy``. The mean is that over batches;
    where the last one is smaller, let the model report pairs of a value and its weight. Values stay on their device
    until all batches are through.

    Args:
        iterator: Over the validation set, ``repeat=False``; or several by name, one of them ``main``.
        target: The link, or several by name, one of them ``main``. They are not moved.
        converter: ``converter(batch, device)`` makes the arguments, as in ``StandardUpdater``.
        device: Where batches are sent. Default: they stay on the host.
        eval_hook: Called with the evaluator at the beginning of each evaluation.
        eval_func: Called with the arguments instead of the main target.
        progress_bar: Show a bar during evaluations, on a terminal.
    """

    trigger = (1, "epoch")
    priority = PRIORITY_WRITER
    default_name = "validation"

    def __init__(
        self,
        iterator: Any,
        target: Any,
        converter: Callable[..., Any] = concat_examples,
        device: DeviceLike = None,
        eval_hook: Callable[[Evaluator], Any] | None = None,
        eval_func: Callable[..., Any] | None = None,
        *,
        progress_bar: bool = False,
    ) -> None:
        self._iterators = by_name(iterator)
        self._targets = by_name(target)
        self.converter = converter
        self.device: Device | None = None if device is None else get_device(device)
        self.eval_hook = eval_hook
        self.eval_func = eval_func
        self._progress_bar = progress_bar
        for name, each in self._iterators.items():
            if getattr(each, "repeat", False):
                warnings.warn(
                    f"Evaluator: iterator {name!r} has repeat=True, so an evaluation may never end; make it with "
                    "repeat=False",
                    stacklevel=2,
                )

    def get_iterator(self, name: str) -> Any:
        """Return the iterator of that name."""
        return find(self._iterators, name, "iterator", "the evaluator")

    def get_all_iterators(self) -> dict[str, Any]:
        """Return every iterator by name."""
        return dict(self._iterators)

    def get_target(self, name: str) -> Any:
        """Return the target of that name."""
        return find(self._targets, name, "target", "the evaluator")

    def get_all_targets(self) -> dict[str, Any]:
        """Return every target by name."""
        return dict(self._targets)

    def __call__(self, trainer: Trainer | None = None) -> dict[str, float]:
        """Evaluate, report the means to the trainer, and return them by name.

        Args:
            trainer: None: by itself; names have no ``validation/`` in front then.
        """
        reporter = Reporter()
        prefix = f"{self.name}/" if self.name is not None else ""
        for name, target in self._targets.items():
            reporter.add_observer(prefix + name, target)
            reporter.add_observers(prefix + name, target.namedlinks(skipself=True))
        with reporter, using_config("train", False):
            result = self.evaluate()
        report(result)
        return result

    def evaluate(self) -> dict[str, float]:
        """Go through the main iterator once and return the means of what was reported. Subclasses may override it."""
        function = self.eval_func or self.get_target("main")
        if self.eval_hook is not None:
            self.eval_hook(self)
        summary = DictSummary()
        for batch in self._batches(self.get_iterator("main")):
            observation: dict[str, Any] = {}
            with report_scope(observation), no_backprop_mode():
                call_with(function, self.converter(batch, self.device))
            summary.add(observation)
        return summary.compute_mean()

    def _batches(self, iterator: Any) -> Iterator[Any]:
        if hasattr(iterator, "reset"):
            iterator.reset()
        else:
            iterator = copy.copy(iterator)
        terminal = screen() if self._progress_bar else None
        if terminal is None:
            yield from iterator
            return
        bar = terminal.start_bar(self.name or "evaluation", 50)
        try:
            for count, batch in enumerate(iterator, 1):
                yield batch
                terminal.move_bar(bar, getattr(iterator, "epoch_detail", 0.0), f"{count} batches")
        finally:
            terminal.end_bar(bar)

    def finalize(self) -> None:
        for iterator in self._iterators.values():
            iterator.finalize()
