"""Updater: what a trainer calls for one iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kusari.optimizer import Optimizer
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class Updater:
    """Base of what updates parameters, an iteration at a time.

    Triggers and extensions also read ``iteration``, ``epoch``, ``epoch_detail``, ``previous_epoch_detail`` and
    ``is_new_epoch``; `kusari.training.updaters.StandardUpdater` has them all.
    """

    iteration: int
    """How many iterations are done."""
    epoch: int
    """How many epochs are done."""
    epoch_detail: float
    """How many epochs are done, the started one in proportion."""

    def connect_trainer(self, trainer: Trainer) -> None:
        """Get to know the trainer, which calls this when it is made."""

    def finalize(self) -> None:
        """Give back what is held: iterators may have threads and processes. Called when the run ends."""

    def get_optimizer(self, name: str) -> Optimizer:
        """Return the optimizer of that name."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_optimizer(name)")

    def get_all_optimizers(self) -> dict[str, Optimizer]:
        """Return every optimizer by name; the trainer registers their targets with its reporter."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_all_optimizers()")

    def update(self) -> Any:
        """Do one iteration."""
        raise NotImplementedError(f"{type(self).__name__} does not define update()")

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load everything that a resumed run needs."""
        raise NotImplementedError(f"{type(self).__name__} does not define serialize(serializer)")
