"""Saving learning rates and other hyperparameters with a run, so that a resumed one goes on with them."""

from __future__ import annotations

import contextlib
import numbers
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kusari.optimizer import Optimizer
    from kusari.serializer import AbstractSerializer


def serialize_hyperparameters(optimizer: Optimizer, serializer: AbstractSerializer) -> None:
    """Save or load the numbers of an optimizer, and those that single update rules have of their own.

    An optimizer's file has none: a program sets them. Within a run they change, by extensions or by hand.
    """
    for part, hyperparameter in _hyperparameters(optimizer):
        changing = {
            name: value
            for name, value in vars(hyperparameter).items()
            if not name.startswith("_") and isinstance(value, numbers.Real) and not isinstance(value, bool)
        }
        if changing:
            within = serializer[part] if part else serializer
            for name, value in changing.items():
                with contextlib.suppress(KeyError):  # a file from before they were saved: what the program set stays
                    loaded = within(name, float(value))
                    if loaded != value:  # an equal one stays what it was, an int for example
                        setattr(hyperparameter, name, loaded)


def _hyperparameters(optimizer: Optimizer) -> Iterator[tuple[str, Any]]:
    """Yield the optimizer's numbers under no name, and each rule's under its parameter's path."""
    if hasattr(optimizer, "hyperparam"):
        yield "", optimizer.hyperparam
    for path, param in optimizer.target.namedparams():
        own = getattr(param.update_rule, "hyperparam", None)
        if own is not None:
            yield path, own
