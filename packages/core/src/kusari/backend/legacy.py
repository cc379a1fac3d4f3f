"""Documented device forms of old programs, which name libraries: the one place under ``backend/`` that does."""

from __future__ import annotations

import operator
from typing import Any


def device_name(specifier: Any) -> str:
    """Return the present name of a device for a string or an older form.

    Raises:
        TypeError: Neither a string nor an int.
        ValueError: An ``@`` form without its index.
    """
    if isinstance(specifier, str):
        text = specifier
        if text.lstrip("-").isdecimal():
            return _numbered(int(text))
        if not text.startswith("@"):
            return text
        return _at(text)
    native = getattr(specifier, "id", None)
    if type(specifier).__module__.startswith("cupy") and native is not None:
        return _numbered(int(native))
    try:
        return _numbered(operator.index(specifier))
    except TypeError:
        raise TypeError(
            f"device {specifier!r}: expected a Device, a name such as 'numpy' or 'cupy:0', or an int; "
            f"got {type(specifier).__name__}"
        ) from None


def _numbered(index: int) -> str:
    return f"cupy:{index}" if index >= 0 else "numpy"


def _at(text: str) -> str:
    name, colon, _ = text[1:].partition(":")
    if name not in ("numpy", "cupy", "intel64"):
        raise ValueError(f"device {text!r}: no such module; expected @numpy or @cupy:N")
    if (name == "cupy") != bool(colon):
        raise ValueError(f"device {text!r}: expected {'an index, @cupy:0 say' if name == 'cupy' else 'no index'}")
    return text[1:]
