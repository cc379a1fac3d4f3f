"""A trigger that fires again and again, and how other things become triggers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from kusari.training.triggers.span import Span

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer

Trigger: TypeAlias = "Callable[[Any], bool]"
"""A function of the trainer: is it time?"""


class IntervalTrigger:
    """Fire every so many epochs or iterations.

    Args:
        period: How many; epochs may be fractions.
        unit: ``epoch`` or ``iteration``.

    Raises:
        ValueError: Another unit, or a period that is not positive.

    >>> IntervalTrigger(5, "iteration")
    IntervalTrigger(5, 'iteration')
    """

    def __init__(self, period: float, unit: str) -> None:
        if not period > 0:
            raise ValueError(f"IntervalTrigger(period={period!r}): expected more than 0")
        self.period = period
        self.unit = unit
        self._span = Span(unit, "IntervalTrigger")

    def __call__(self, trainer: Trainer) -> bool:
        """Tell whether a multiple of the period was passed since the last iteration in which this was asked."""
        before, now = self._span.ends(trainer)
        # 0.3 / 0.1 is 2.9999999999999996: without the allowance the third tenth would come an iteration late.
        return (before / self.period + 1e-9) // 1 != (now / self.period + 1e-9) // 1

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load where it was asked."""
        self._span.serialize(serializer)

    def get_training_length(self) -> tuple[float, str]:
        """Return the period and its unit: as a stop trigger, how long the training is."""
        return self.period, self.unit

    def __repr__(self) -> str:
        return f"IntervalTrigger({self.period}, {self.unit!r})"


def never(trainer: Trainer) -> bool:
    """Never fire: what None stands for."""
    return False


def get_trigger(trigger: Any) -> Trigger:
    """Return a trigger: what is one as it is, ``(period, unit)`` as an `IntervalTrigger`, None as never.

    Raises:
        TypeError: None of these.
        ValueError: A unit that is none.

    >>> get_trigger((1, "epoch"))
    IntervalTrigger(1, 'epoch')
    """
    if trigger is None:
        return never
    if callable(trigger):
        return trigger
    if isinstance(trigger, tuple | list) and len(trigger) == 2:
        return IntervalTrigger(*trigger)
    raise TypeError(
        f"trigger {trigger!r}: expected (period, 'epoch' or 'iteration'), a function of the trainer, or None"
    )
