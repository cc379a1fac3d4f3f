"""Statistics of an array, computed where it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from kusari.backend import Device, device_of_array

SIGMAS: Final = (0.13, 2.28, 15.87, 50, 84.13, 97.72, 99.87)
"""How much of a normal distribution, in percent, is below −3σ, −2σ … 3σ."""


def _widened(x: Any) -> tuple[Device, Any]:
    """Return the device, and the array in float32 if it has half as many bits: sums of those overflow at 65504."""
    device = device_of_array(x)
    if device.backend.host_dtype(x.dtype).name in ("float16", "bfloat16"):
        x = device.xp.astype(x, device.backend.native_dtype("float32"))
    return device, x


def mean(x: Any) -> Any:
    """Return the mean, a 0-d array.

    >>> float(mean(np.asarray([1.0, 3.0])))
    2.0
    """
    device, x = _widened(x)
    return device.xp.mean(x)


def std(x: Any) -> Any:
    """Return the standard deviation, a 0-d array.

    >>> float(std(np.asarray([1.0, 3.0])))
    1.0
    """
    device, x = _widened(x)
    return device.xp.std(x)


def zeros(x: Any) -> Any:
    """Return how many elements are 0, a 0-d array.

    >>> int(zeros(np.asarray([0.0, 3.0])))
    1
    """
    return device_of_array(x).xp.count_nonzero(x == 0)


def percentiles(x: Any, percents: Sequence[float] = SIGMAS) -> list[Any]:
    """Return percentiles as 0-d arrays; between two elements, the line between them.

    >>> [float(value) for value in percentiles(np.asarray([4.0, 1.0, 3.0]), [0, 50, 75])]
    [1.0, 3.0, 3.5]
    """
    device, x = _widened(x)
    if x.size == 0:
        return [math.nan] * len(percents)
    ordered = device.xp.sort(device.xp.reshape(x, (-1,)))
    last = ordered.shape[0] - 1
    found = []
    for percent in percents:
        below = int(percent / 100 * last)
        part = percent / 100 * last - below
        found.append(ordered[below] * (1 - part) + ordered[min(below + 1, last)] * part)
    return found
