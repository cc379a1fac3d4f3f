"""A trigger that fires when a value has not become better for some time."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from kusari.reporter import DictSummary
from kusari.training.triggers.interval_trigger import get_trigger

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class EarlyStoppingTrigger:
    """Fire when the mean of a value was not better than the best in ``patience`` checks in a row.

    Made for ``Trainer(stop_trigger=...)``. NaN is never better. A check that saw no value, because the evaluation runs
    more rarely, does not count.

    Args:
        check_trigger: When to check.
        monitor: The value's key in ``trainer.observation``.
        patience: How many checks without improvement it takes.
        mode: ``min``, ``max``: what better means; ``auto``: ``max`` where the key has ``accuracy`` in it, else ``min``.
        verbose: Print a line for each check without improvement.
        max_trigger: When to stop in any case.
        **kwargs: ``patients``, the old name of ``patience``.

    Raises:
        ValueError: Another mode.
    """

    def __init__(
        self,
        check_trigger: Any = (1, "epoch"),
        monitor: str = "main/loss",
        patience: int = 3,
        mode: str = "auto",
        verbose: bool = False,
        max_trigger: Any = (100, "epoch"),
        **kwargs: Any,
    ) -> None:
        if "patients" in kwargs:
            warnings.warn("patients= is spelled patience= now", DeprecationWarning, stacklevel=2)
            patience = kwargs.pop("patients")
        if kwargs:
            raise TypeError(f"EarlyStoppingTrigger() got unexpected keyword(s) {', '.join(kwargs)}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"EarlyStoppingTrigger(mode={mode!r}): expected 'auto', 'min' or 'max'")
        self.count = 0
        """How many checks in a row were no improvement."""
        self.patience = patience
        self.monitor = monitor
        self.verbose = verbose
        self._sign = 1 if mode == "max" or (mode == "auto" and "accuracy" in monitor) else -1
        self.best: float = -math.inf * self._sign
        """The best value so far."""
        self._check_trigger = get_trigger(check_trigger)
        self._max_trigger = get_trigger(max_trigger)
        self._summary = DictSummary()
        self._asked_at = -1

    def __call__(self, trainer: Trainer) -> bool:
        """Take in this iteration's value, check if it is time, and tell whether to stop."""
        if trainer.updater.iteration != self._asked_at:
            self._asked_at = trainer.updater.iteration
            if self.monitor in trainer.observation:
                self._summary.add({self.monitor: trainer.observation[self.monitor]})
            if self._check_trigger(trainer):
                self._check(trainer)
        reached_end = self._max_trigger(trainer)  # asked every time: it has to know how far training is
        return self.count >= self.patience or reached_end

    def _check(self, trainer: Trainer) -> None:
        means = self._summary.compute_mean()
        self._summary = DictSummary()
        if self.monitor not in means:
            return
        value = means[self.monitor]
        if self._sign * value > self._sign * self.best:
            self.best, self.count = value, 0
            return
        self.count += 1
        if self.verbose:
            print(
                f"iteration {trainer.updater.iteration}: {self.monitor} {value:.6g} is no better than {self.best:.6g} "
                f"({self.count} of {self.patience})"
            )

    def get_training_length(self) -> tuple[float, str]:
        """Return how long the training is at most, and the unit."""
        length: tuple[float, str] = self._max_trigger.get_training_length()  # type: ignore[attr-defined]
        return length

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the best value, the count, and what this interval has so far."""
        for name, trigger in (("check_trigger", self._check_trigger), ("max_trigger", self._max_trigger)):
            if hasattr(trigger, "serialize"):
                trigger.serialize(serializer[name])
        self._summary.serialize(serializer["summary"])
        self.best = float(serializer("best", self.best))
        self.count = serializer("count", self.count)
        self._asked_at = serializer("asked_at", self._asked_at)
