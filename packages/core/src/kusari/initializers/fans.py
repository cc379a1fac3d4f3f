"""Fans: how many inputs reach one unit, and how many units one input reaches."""

from __future__ import annotations

import math
from collections.abc import Sequence


def get_fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return fan-in and fan-out of a weight (O, I, *window).

    fan_in = I · Πwindow, fan_out = O · Πwindow.

    Raises:
        ValueError: Fewer than two axes.

    >>> get_fans((16, 3, 5, 5))
    (75, 400)
    """
    if len(shape) < 2:
        raise ValueError(f"a weight of shape {tuple(shape)} has no fans: expected two axes or more, (O, I, *window)")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window
