"""A trigger that fires once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kusari.serializer import Deserializer

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class OnceTrigger:
    """Fire in the first iteration in which it is asked, and not again.

    Args:
        call_on_resume: Fire once more in each resumed run.
    """

    def __init__(self, call_on_resume: bool = False) -> None:
        self._call_on_resume = call_on_resume
        self._flag_first = True
        self._flag_resumed = False
        self._fired_at: int | None = None

    @property
    def finished(self) -> bool:
        """Whether it will not fire again in this run."""
        return not (self._flag_first or (self._call_on_resume and self._flag_resumed))

    def __call__(self, trainer: Trainer) -> bool:
        """Tell whether this is the iteration."""
        iteration = trainer.updater.iteration
        if not self.finished:
            self._flag_first = self._flag_resumed = False
            self._fired_at = iteration
        return self._fired_at == iteration

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load whether it has fired."""
        self._flag_first = serializer("_flag_first", self._flag_first)
        if isinstance(serializer, Deserializer) and not serializer.rehearsing:
            self._flag_resumed, self._fired_at = True, None
