"""Base of the extensions that change a hyperparameter by a schedule."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from kusari.training.extension import Extension

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class Shift(Extension):
    """Set an attribute of an optimizer to a function of how often this was called.

    Subclasses define `value_at`. The first value is set before the first iteration; each call sets the next one, and
    the trigger says how long a step is: every iteration unless ``extend(trigger=...)`` says something else. A resumed
    run goes on with the value that the saved one had.

    Args:
        attr: The attribute: ``lr``, or ``alpha`` of Adam.
        init: The first value. Default: what the optimizer has when training begins.
        optimizer: Whose. Default: the main one.
    """

    def __init__(self, attr: str, init: float | None = None, optimizer: Any = None) -> None:
        self._attr = attr
        self._init = init
        self._optimizer = optimizer
        self._t = 0
        self._last_value: float | None = None

    def value_at(self, t: int, init: float) -> float:
        """Return the value after ``t`` calls."""
        raise NotImplementedError(f"{type(self).__name__} does not define value_at(t, init)")

    def initialize(self, trainer: Trainer) -> None:
        optimizer = self._find(trainer)
        if self._init is None:
            self._init = float(getattr(optimizer, self._attr))
        if self._last_value is None:
            self._last_value = self.value_at(self._t, self._init)
        setattr(optimizer, self._attr, self._last_value)

    def __call__(self, trainer: Trainer) -> None:
        self._t += 1
        optimizer = self._find(trainer)
        if self._init is None:
            raise RuntimeError(f"{type(self).__name__} was called before initialize(trainer)")
        self._last_value = self.value_at(self._t, self._init)
        setattr(optimizer, self._attr, self._last_value)

    def _find(self, trainer: Trainer) -> Any:
        return trainer.updater.get_optimizer("main") if self._optimizer is None else self._optimizer

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the number of calls, the first value and the last."""
        self._t = serializer("_t", self._t)
        with contextlib.suppress(KeyError):  # files of the original lack one or both: they follow from the others
            self._last_value = _number(serializer("_last_value", self._last_value))
        with contextlib.suppress(KeyError):
            self._init = _number(serializer("_init", self._init))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def limited(value: float, init: float, target: float | None) -> float:
    """Return a value that does not go beyond a target, whichever side of ``init`` that is on."""
    if target is None:
        return value
    return max(value, target) if target <= init else min(value, target)


def check_at_least(name: str, value: float, least: float = 0.0) -> None:
    """Raise ValueError for a number that is too small."""
    if not value >= least:
        raise ValueError(f"{name}={value}: expected {least:g} or more")
