"""The order of axes in memory."""

from __future__ import annotations


def memory_order(strides: tuple[int, ...]) -> list[int]:
    """Return the axes from the slowest to the fastest in memory.

    Transposed so, a dense array is C-contiguous, whatever its memory format.

    >>> channels_last = np.empty((2, 5, 7, 3)).transpose(0, 3, 1, 2)
    >>> memory_order(channels_last.strides)
    [0, 2, 3, 1]
    """
    return sorted(range(len(strides)), key=lambda axis: -abs(strides[axis]))
