"""A ratio of sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.reporter import Summary
from kusari.training.extension import PRIORITY_EDITOR, Extension
from kusari.training.triggers import get_trigger

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class MicroAverage(Extension):
    """Report Σ numerator / Σ denominator over an interval: the mean over examples where batches differ in size.

    Args:
        numerator_key: Of the observed numerator: the number of right answers, say.
        denominator_key: Of the observed denominator: the number of questions.
        result_key: What the ratio goes by.
        trigger: When the interval ends.
    """

    priority = PRIORITY_EDITOR

    def __init__(self, numerator_key: str, denominator_key: str, result_key: str, trigger: Any = (1, "epoch")) -> None:
        self._numerator_key = numerator_key
        self._denominator_key = denominator_key
        self._result_key = result_key
        self._trigger = get_trigger(trigger)
        self._numerator = Summary()
        self._denominator = Summary()

    def __call__(self, trainer: Trainer) -> None:
        observation = trainer.observation
        if self._numerator_key not in observation or self._denominator_key not in observation:
            raise KeyError(
                f"MicroAverage needs {self._numerator_key!r} and {self._denominator_key!r} in every iteration; "
                f"observed: {', '.join(sorted(observation)) or 'nothing'}"
            )
        self._numerator.add(observation[self._numerator_key])
        self._denominator.add(observation[self._denominator_key])
        if self._trigger(trainer):
            numerator, denominator = self._numerator.total, self._denominator.total
            observation[self._result_key] = numerator / denominator if denominator else float("nan")
            self._numerator, self._denominator = Summary(), Summary()

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the sums so far."""
        if hasattr(self._trigger, "serialize"):
            self._trigger.serialize(serializer["_trigger"])
        self._numerator = _summary_of(serializer("_numerator", self._numerator.total))
        self._denominator = _summary_of(serializer("_denominator", self._denominator.total))


def _summary_of(total: float) -> Summary:
    summary = Summary()
    summary.add(total)
    return summary
