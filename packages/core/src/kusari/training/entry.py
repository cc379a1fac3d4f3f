"""Entry: an extension as a trainer holds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kusari.training.extension import PRIORITY_READER, Extension
from kusari.training.triggers.interval_trigger import get_trigger

RESERVED = "training"


class Entry:
    """An extension with its name, trigger and priority.

    The extension may be any function: what it lacks of an `Extension`'s attributes counts as not there.
    """

    __slots__ = ("after_all", "call_before_training", "extension", "name", "priority", "trigger")

    def __init__(
        self, name: str, extension: Callable[..., Any], trigger: Any, priority: int | None, call_before_training: bool
    ) -> None:
        self.name = name
        self.extension = extension
        self.trigger = get_trigger(getattr(extension, "trigger", (1, "iteration")) if trigger is None else trigger)
        self.priority: int = getattr(extension, "priority", PRIORITY_READER) if priority is None else priority
        self.call_before_training = call_before_training
        self.after_all: bool = getattr(extension, "after_all", False)

    @property
    def has_state(self) -> bool:
        """Whether the extension defines what is saved of it."""
        return getattr(type(self.extension), "serialize", Extension.serialize) is not Extension.serialize or (
            "serialize" in getattr(self.extension, "__dict__", ())
        )

    def call(self, method: str, *args: Any) -> None:
        """Call one of the extension's methods, if it has it."""
        found = getattr(self.extension, method, None)
        if found is not None:
            found(*args)

    def finalize(self) -> None:
        """Call the extension's ``finalize``, if it has one."""
        self.call("finalize")


def named(extension: Any, name: str | None) -> str:
    """Return the name that an extension is to have, before it is made unique.

    Raises:
        TypeError: Not callable.
        ValueError: The reserved name.
    """
    if not callable(extension):
        raise TypeError(f"extend(): expected an Extension or a function of the trainer, got {type(extension).__name__}")
    for candidate in (name, *(getattr(extension, attribute, None) for attribute in ("name", "default_name"))):
        if candidate:
            break
    else:
        candidate = getattr(extension, "__name__", type(extension).__name__)
    if candidate == RESERVED:
        raise ValueError(f"the name {RESERVED!r} is prohibited as an extension name")
    return str(candidate)
