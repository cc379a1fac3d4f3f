"""Checking labels. It reads values, so that callers ask first whether that makes anybody wait."""

from __future__ import annotations

import math
from typing import Any

from kusari.backend import Backend
from kusari.configuration import current_state


def may_read(backend: Backend) -> bool:
    """Tell whether values may be looked at: on the host nobody waits for them, and debug mode is made for it."""
    return backend.on_host or current_state().debug


def refuse_out_of_range(what: str, backend: Backend, t: Any, stop: int, ignore: int | None = None) -> None:
    """Raise unless all of ``t`` are from 0 to ``stop`` − 1, or ``ignore``.

    Raises:
        ValueError: Saying what is out of range.
    """
    if math.prod(t.shape) == 0:
        return
    wrong = (t < 0) | (t >= stop)
    if ignore is not None:
        wrong = wrong & (t != ignore)
    if bool(backend.xp.any(wrong)):
        beside = "" if ignore is None else f", or {ignore} for what does not count"
        raise ValueError(f"{what}: out of range; expected 0 to {stop - 1}{beside}")
