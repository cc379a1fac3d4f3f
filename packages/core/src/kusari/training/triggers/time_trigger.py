"""A trigger that fires by the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class TimeTrigger:
    """Fire every so many seconds of training; periods that passed within one iteration count once.

    Args:
        period: Seconds.

    Raises:
        ValueError: Not positive.
    """

    def __init__(self, period: float) -> None:
        if not period > 0:
            raise ValueError(f"TimeTrigger(period={period!r}): expected more than 0 seconds")
        self._period = period
        self._next_time = period
        self._fired_at: int | None = None

    def __call__(self, trainer: Trainer) -> bool:
        """Tell whether a period has passed."""
        iteration, elapsed = trainer.updater.iteration, trainer.elapsed_time
        if self._next_time <= elapsed and self._fired_at != iteration:
            self._next_time += self._period * (1 + (elapsed - self._next_time) // self._period)
            self._fired_at = iteration
        return self._fired_at == iteration

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load when it fires next."""
        self._next_time = float(serializer("next_time", float(self._next_time)))
