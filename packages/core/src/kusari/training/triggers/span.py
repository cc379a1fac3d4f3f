"""Span: the part of the training between two questions to a trigger."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer

UNITS: Final = ("epoch", "iteration")


class Span:
    """Remember where a trigger was asked the last time, and where it is asked now.

    Asked again in the same iteration, the span stays what it was.

    Args:
        unit: ``epoch`` or ``iteration``.
        owner: For the message.

    Raises:
        ValueError: Another unit.
    """

    def __init__(self, unit: str, owner: str) -> None:
        if unit not in UNITS:
            raise ValueError(f"{owner}: unit {unit!r}; expected 'epoch' or 'iteration'")
        self._in_epochs = unit == "epoch"
        self._previous_iteration = self._iteration = 0
        self._previous_epoch_detail = self._epoch_detail = 0.0

    def ends(self, trainer: Trainer) -> tuple[float, float]:
        """Return where the span that ends now began, and where it ends, in its unit."""
        updater = trainer.updater
        iteration = updater.iteration
        if iteration != self._iteration:
            self._previous_iteration, self._iteration = self._iteration, iteration
            # Both units are kept: a resumed run may count in the other one.
            self._previous_epoch_detail, self._epoch_detail = self._epoch_detail, updater.epoch_detail
        if self._in_epochs:
            return self._previous_epoch_detail, self._epoch_detail
        return self._previous_iteration, iteration

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load both ends; a file may have the first only, the end then."""
        previous_iteration = int(serializer("previous_iteration", self._previous_iteration))
        previous_epoch_detail = float(serializer("previous_epoch_detail", self._previous_epoch_detail))
        iteration, epoch_detail = previous_iteration, previous_epoch_detail
        with contextlib.suppress(KeyError):
            iteration = int(serializer("iteration", self._iteration))
            epoch_detail = float(serializer("epoch_detail", self._epoch_detail))
        if not getattr(serializer, "rehearsing", False):
            self._previous_iteration, self._previous_epoch_detail = previous_iteration, previous_epoch_detail
            self._iteration, self._epoch_detail = iteration, epoch_detail
