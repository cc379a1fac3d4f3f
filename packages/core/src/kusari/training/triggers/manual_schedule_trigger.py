"""A trigger that fires at given points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kusari.training.triggers.span import Span

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class ManualScheduleTrigger:
    """Fire at given epochs or iterations.

    Args:
        points: A number or several; epochs may be fractions.
        unit: ``epoch`` or ``iteration``.

    Raises:
        ValueError: Another unit.

    >>> ManualScheduleTrigger([30, 60, 80], "epoch")
    ManualScheduleTrigger([30, 60, 80], 'epoch')
    """

    def __init__(self, points: float | Sequence[float], unit: str) -> None:
        self.points = list(points) if isinstance(points, Sequence) else [points]
        self.unit = unit
        self._span = Span(unit, "ManualScheduleTrigger")

    def __call__(self, trainer: Trainer) -> bool:
        """Tell whether a point was passed since the last iteration in which this was asked."""
        before, now = self._span.ends(trainer)
        return any(before < point - 1e-9 <= now for point in self.points)

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load where it was asked."""
        self._span.serialize(serializer)

    def __repr__(self) -> str:
        return f"ManualScheduleTrigger({self.points}, {self.unit!r})"
