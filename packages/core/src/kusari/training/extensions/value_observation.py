"""Reporting values of the trainer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kusari.training.extension import PRIORITY_WRITER, make_extension

if TYPE_CHECKING:
    from kusari.training.trainer import Trainer


def observe_value(observation_key: str, target_func: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return an extension that reports a value, every epoch unless its trigger is changed.

    Args:
        observation_key: What it goes by.
        target_func: ``target_func(trainer)`` returns it.
    """

    @make_extension(trigger=(1, "epoch"), priority=PRIORITY_WRITER, default_name="_observe_value")
    def observe(trainer: Trainer) -> None:
        trainer.observation[observation_key] = target_func(trainer)

    return observe


def observe_lr(optimizer_name: str = "main", observation_key: str = "lr") -> Callable[..., Any]:
    """Return an extension that reports the learning rate, every epoch unless its trigger is changed.

    Args:
        optimizer_name: Whose.
        observation_key: What it goes by.
    """
    return observe_value(observation_key, lambda trainer: trainer.updater.get_optimizer(optimizer_name).lr)
