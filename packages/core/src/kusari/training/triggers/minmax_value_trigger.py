"""Triggers that fire when a value is the best so far."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kusari.reporter import DictSummary
from kusari.training.triggers.interval_trigger import get_trigger

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class BestValueTrigger:
    """Fire when the mean of a value over an interval is better than ever before. NaN is never better.

    Args:
        key: Of the value in ``trainer.observation``.
        compare: ``compare(best, new)`` tells whether ``new`` is better.
        trigger: When the interval ends.
    """

    def __init__(self, key: str, compare: Callable[[float, float], bool], trigger: Any = (1, "epoch")) -> None:
        self._key = key
        self._compare = compare
        self._best_value: float | None = None
        self._interval_trigger = get_trigger(trigger)
        self._summary = DictSummary()
        self._asked_at = -1
        self._answer = False

    @property
    def best_value(self) -> float | None:
        """The best mean so far; None before the first."""
        return self._best_value

    def __call__(self, trainer: Trainer) -> bool:
        """Take in this iteration's value, and tell whether an interval ends that is the best.

        Raises:
            KeyError: The interval had no such value.
        """
        iteration = trainer.updater.iteration
        if iteration != self._asked_at:
            self._asked_at = iteration
            self._answer = self._ask(trainer)
        return self._answer

    def _ask(self, trainer: Trainer) -> bool:
        observation = trainer.observation
        if self._key in observation:
            self._summary.add({self._key: observation[self._key]})
        if not self._interval_trigger(trainer):
            return False
        means = self._summary.compute_mean()
        self._summary = DictSummary()
        if self._key not in means:
            raise KeyError(
                f"{type(self).__name__} found no number {self._key!r} in this interval; observed now: "
                f"{', '.join(sorted(observation)) or 'nothing'}"
            )
        value = means[self._key]
        if math.isnan(value) or not (self._best_value is None or self._compare(self._best_value, value)):
            return False
        self._best_value = value
        return True

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the best value, the interval and what it has so far."""
        if hasattr(self._interval_trigger, "serialize"):
            self._interval_trigger.serialize(serializer["interval_trigger"])
        self._summary.serialize(serializer["summary"])
        best = serializer("best_value", self._best_value)
        self._best_value = None if best is None else float(best)
        with contextlib.suppress(KeyError):
            self._asked_at = serializer("asked_at", self._asked_at)
            self._answer = serializer("answer", self._answer)


class MaxValueTrigger(BestValueTrigger):
    """Fire when the mean of a value over an interval is the greatest so far.

    Args:
        key: Of the value in ``trainer.observation``: ``validation/main/accuracy``.
        trigger: When the interval ends.
    """

    def __init__(self, key: str, trigger: Any = (1, "epoch")) -> None:
        super().__init__(key, operator.lt, trigger)


class MinValueTrigger(BestValueTrigger):
    """Fire when the mean of a value over an interval is the smallest so far.

    Args:
        key: Of the value in ``trainer.observation``: ``validation/main/loss``.
        trigger: When the interval ends.
    """

    def __init__(self, key: str, trigger: Any = (1, "epoch")) -> None:
        super().__init__(key, operator.gt, trigger)
