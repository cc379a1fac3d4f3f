"""Checking labels, where the device need not be waited for."""

from __future__ import annotations

import math
from typing import Any

from kusari.backend import Backend
from kusari.configuration import current_state


def refuse_labels(
    function: str, backend: Backend, t: Any, classes: int, ignore: int | None = None, always_on_host: bool = False
) -> None:
    """Raise where a label is no class: in debug mode only, because on a device that waits for the numbers.

    Args:
        function: Its name, for the message.
        backend: Where ``t`` lives.
        t: Any shape, integers.
        classes: How many there are.
        ignore: A label beside them that is allowed.
        always_on_host: Check arrays of the host without debug mode too: there nothing waits.

    Raises:
        ValueError: A label out of range.
    """
    if math.prod(t.shape) == 0 or not (current_state().debug or (always_on_host and backend.on_host)):
        return
    wrong = (t < 0) | (t >= classes)
    if ignore is not None:
        wrong = wrong & (t != ignore)
    if bool(backend.xp.any(wrong)):
        beside = "" if ignore is None else f", or {ignore}, which is left out"
        raise ValueError(f"{function}(): labels out of range; expected 0 to {classes - 1}{beside}")
