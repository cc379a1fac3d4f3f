"""Exceptions with a class of their own: what was wrong, what was expected, what to do."""

from __future__ import annotations


class BackendUnavailable(RuntimeError):
    """A backend is known but cannot run here: its library or its hardware is missing."""


class UnknownBackend(LookupError, RuntimeError):
    """A name that no installed backend goes by; a RuntimeError as well, which old programs expect."""


class UnknownKernel(LookupError):
    """A name that no kernel goes by."""


class PluginConflict(RuntimeError):
    """Two plugins provide the same backend name."""


class SignatureMismatch(TypeError):
    """A kernel override does not have its definition's signature."""


class DeviceMismatch(ValueError):
    """Arrays of memories that do not meet, or a host array that met a device's Variable."""


class InvalidType(Exception):
    """A function was given a number, rank, shape or dtype of arguments that it cannot take.

    Args:
        expect: What the function takes, as text.
        actual: What it was given, as text.
        message: The whole text; built from the other two where it is not given.
    """

    def __init__(self, expect: str, actual: str, message: str | None = None) -> None:
        super().__init__(message or f"Expect: {expect}\nActual: {actual}")
        self.expect = expect
        self.actual = actual


class SynchronizationError(RuntimeError):
    """A value on a device was read on the host where ``config.forbid_synchronization`` forbids it."""
