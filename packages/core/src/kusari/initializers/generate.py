"""From a value or an initializer to an array: on the host first, then where it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kusari.backend import Device, default_device, get_device, registry
from kusari.backend.selection import DeviceLike
from kusari.dtypes import DTypeLike, get_dtype
from kusari.initializers.constant import Constant, is_array, is_scalar
from kusari.initializers.initializer import HostArray
from kusari.initializers.normal import LeCunNormal


def get_initializer(value: Any, default: Callable[[], Any] = LeCunNormal) -> Any:
    """Return the initializer that an argument means.

    Args:
        value: None, a number or an array for `Constant`, or anything callable, which is returned.
        default: What makes the initializer that None means.

    Raises:
        TypeError: None of these.

    >>> type(get_initializer(None)).__name__, get_initializer(0.5).fill_value
    ('LeCunNormal', 0.5)
    """
    if value is None:
        return default()
    if callable(value):
        return value
    if is_scalar(value) or is_array(value):
        return Constant(value)
    raise TypeError(
        f"initializer of type {type(value).__name__}: expected None, a number, an array, or a callable that fills an "
        "array in place"
    )


def fill(initializer: Any, shape: Sequence[int] | int, dtype: DTypeLike = None) -> HostArray:
    """Return a new host array, filled.

    Args:
        initializer: Called with the array, zeros at first.
        shape: Of the array.
        dtype: None: the initializer's, or else ``config.dtype``.

    Raises:
        ValueError: The initializer asks for another dtype.
        TypeError: It returned an array instead of filling the one it was given.

    >>> fill(Constant(2), (3,), "float64")
    array([2., 2., 2.])
    """
    asked = getattr(initializer, "dtype", None)
    if dtype is not None and asked is not None and get_dtype(dtype) != get_dtype(asked):
        raise ValueError(f"dtype {get_dtype(dtype)} was asked for, but the initializer has {get_dtype(asked)}")
    array: HostArray = np.zeros(shape, get_dtype(asked if dtype is None else dtype))
    made = initializer(array)
    if made is not None and made is not array:
        raise TypeError(
            f"initializer {initializer!r} returned {type(made).__name__}: it must fill its argument in place, "
            "array[...] = values"
        )
    return array


def generate_array(
    initializer: Any, shape: Sequence[int], xp: Any, dtype: DTypeLike = None, device: DeviceLike = None
) -> Any:
    """Return a new array, filled by an initializer.

    Args:
        initializer: A callable that fills a host array in place.
        shape: Of the array.
        xp: An array module; decides where the array lives when ``device`` does not.
        dtype: None: the initializer's, or else ``config.dtype``.
        device: Where the array is to live.

    Raises:
        ValueError: ``dtype`` and the initializer's differ, or no backend has the array module ``xp``.

    >>> generate_array(kusari.initializers.One(), (2,), np, dtype="float64")
    array([1., 1.])
    """
    target = _device_of_module(xp) if device is None else get_device(device)
    return target.backend.from_host(fill(initializer, shape, dtype), target.index, copy=False)


def _device_of_module(xp: Any) -> Device:
    host = default_device()
    if xp is host.xp:
        return host
    for backend in registry.opened():
        if backend.xp is xp:
            return Device(backend.root)
    raise ValueError(f"no backend in use has the array module {getattr(xp, '__name__', xp)}; give a device instead")
