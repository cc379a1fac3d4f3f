"""Memory formats: the same numbers, laid out in memory in different ways, by means that every library has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from kusari.backend import Device
from kusari_testkit.draw import HostArray

FORMATS: Final = ("transposed", "strided", "reversed", "mixed")
"""What `place` knows beside ``dense``: channels-last (columns first, for matrices), every second element of a
larger array, backwards, and each input in another of these. And ``read-only``: dense, and on the host not writable."""


def place(hosts: Sequence[HostArray | None], device: Device, memory_format: str = "dense") -> list[Any]:
    """Return host arrays on a device in a memory format; None stays None."""
    mixed = ("transposed", "dense", "strided", "reversed")
    return [
        None if host is None else _place(host, device, mixed[i % 4] if memory_format == "mixed" else memory_format)
        for i, host in enumerate(hosts)
    ]


def _place(host: HostArray, device: Device, memory_format: str) -> Any:
    backend, xp = device.backend, device.xp
    host = np.ascontiguousarray(host).reshape(host.shape)  # 0-d stays 0-d
    if memory_format == "transposed" and host.ndim == 2:
        return xp.permute_dims(backend.from_host(np.ascontiguousarray(host.T), device.index), (1, 0))
    if memory_format == "transposed" and host.ndim > 2:
        source = np.ascontiguousarray(np.moveaxis(host, 1, -1))
        array = backend.from_host(source, device.index)
        return xp.permute_dims(array, (0, host.ndim - 1, *range(1, host.ndim - 1)))
    if memory_format == "strided" and host.ndim > 0:
        wide = np.full((*host.shape[:-1], 2 * host.shape[-1] + 1), 99, host.dtype)
        wide[..., 1::2] = host
        return backend.from_host(wide, device.index)[..., 1::2]
    if memory_format == "reversed" and host.ndim > 0:
        return backend.from_host(np.ascontiguousarray(host[::-1]), device.index)[::-1, ...]
    array = backend.from_host(host, device.index)
    if memory_format == "read-only" and isinstance(array, np.ndarray):
        array.flags.writeable = False
    return array


def to_host(device: Device, arrays: Sequence[Any]) -> list[HostArray | None]:
    """Return copies on the host; None stays None."""
    return [None if array is None else device.backend.to_host(array) for array in arrays]


def is_dense(shape: Sequence[int], strides: Sequence[int], itemsize: int) -> bool:
    """Tell whether memory has no gaps: the strides are those of some order of the axes.

    >>> is_dense((2, 3), (12, 4), 4), is_dense((2, 3), (4, 8), 4), is_dense((2, 3), (24, 8), 4)
    (True, True, False)
    """
    if 0 in shape:
        return True
    expected = itemsize
    for stride, length in sorted((s, n) for s, n in zip(strides, shape, strict=True) if n > 1):
        if stride != expected:
            return False
        expected *= length
    return True
