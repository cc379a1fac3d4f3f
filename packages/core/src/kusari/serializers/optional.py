"""Packages that only some formats need."""

from __future__ import annotations

import importlib
from typing import Any


def optional_module(name: str, extra: str, need: str) -> Any:
    """Import a package that may not be installed.

    Args:
        name: The module.
        extra: The extra of this package that brings it.
        need: What needs it, for the message.

    Raises:
        RuntimeError: It is not installed.

    >>> optional_module("nowhere_to_be_found", "nowhere", "nothing")
    Traceback (most recent call last):
    RuntimeError: nothing needs the package nowhere_to_be_found: pip install kusari[nowhere]
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise RuntimeError(f"{need} needs the package {package}: pip install kusari[{extra}]") from None
