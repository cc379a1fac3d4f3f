"""What was observed, averaged over the iterations between two firings of a trigger."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kusari.reporter import DictSummary
from kusari.training.triggers import get_trigger

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class IntervalMeans:
    """Average observed numbers; values on devices are not read before the interval ends.

    Args:
        keys: Which values; None: all.
        trigger: When the interval ends.
    """

    def __init__(self, keys: Iterable[str] | None, trigger: Any) -> None:
        self.keys = None if keys is None else list(keys)
        self.trigger = get_trigger(trigger)
        self._summary = DictSummary()

    def observe(self, trainer: Trainer) -> dict[str, float] | None:
        """Take in this iteration's values; return the means if the interval ends here, else None."""
        observation = trainer.observation
        if self.keys is None:
            self._summary.add(observation)
        else:
            self._summary.add({key: observation[key] for key in self.keys if key in observation})
        if not self.trigger(trainer):
            return None
        means = self._summary.compute_mean()
        self._summary = DictSummary()
        return means

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the interval and what it has so far."""
        if hasattr(self.trigger, "serialize"):
            self.trigger.serialize(serializer["_trigger"])
        self._summary.serialize(serializer["_summary"])
