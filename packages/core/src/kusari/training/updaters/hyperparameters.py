"""Saving learning rates and other hyperparameters with a run, so that a resumed one goes on with them."""

from __future__ import annotations

import contextlib
import numbers
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kusari.optimizer import Optimizer
    from kusari.serializer import AbstractSerializer


def serialize_hyperparameters(optimizer: Optimizer, serializer: AbstractSerializer) -> None:
    """Save or load the numbers of an optimizer, and those that single update rules have of their own.

    An optimizer's file has none: a program sets them. Within a run they change, by extensions or by hand.
    """
    shared = getattr(optimizer, "hyperparam", None)
    if shared is not None:
        _serialize_numbers(shared, serializer)
    for path, param in optimizer.target.namedparams():
        own = getattr(param.update_rule, "hyperparam", None)
        if own is not None:
            _serialize_numbers(own, serializer[path])


def _serialize_numbers(hyperparameter: Any, serializer: AbstractSerializer) -> None:
    for name, value in list(vars(hyperparameter).items()):
        if name.startswith("_") or isinstance(value, bool) or not isinstance(value, numbers.Real):
            continue
        with contextlib.suppress(KeyError):  # a file from before they were saved: what the program set stays
            loaded = serializer(name, float(value))
            if loaded != value:  # an equal one stays what it was, an int for example
                setattr(hyperparameter, name, loaded)
