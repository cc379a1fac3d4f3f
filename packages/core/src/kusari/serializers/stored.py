"""Values of a file before they are read: what is known of their size, and how much may be taken without being asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np

from kusari.dtypes import host_dtype

HostArray: TypeAlias = np.ndarray[Any, Any]

_NONE: Final = np.dtype([("none", "u1")])
_BFLOAT16: Final = np.dtype([("bfloat16", "<u2")])
"""What a format has no type for is stored as a field whose name says what it is."""

_ALWAYS: Final = 1 << 28
_TIMES_THE_FILE: Final = 16


class Stored:
    """One value of a file: its shape and dtype are known, its elements are read when asked for.

    Args:
        name: Its key, for messages.
        shape: Of the array.
        dtype: As it will come back: bfloat16, where that is what is stored in another way.
        allowance: What may be read of the file where nothing says how large a value should be; None: anything.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], allowance: Allowance | None = None
    ) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self._allowance = allowance

    def read(self) -> HostArray:
        """Return the array. The caller has made sure that it is as large as it should be.

        Raises:
            ValueError: It is damaged.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define read()")

    def read_any_size(self) -> HostArray:
        """Return the array where nothing says how large it should be.

        Raises:
            ValueError: It is damaged, or more than the file's allowance.
        """
        if self._allowance is not None:
            self._allowance.take(self)
        return self.read()


Values: TypeAlias = Mapping[str, Stored | None]
"""What a file holds, by name; None for None."""


class Allowance:
    """How many bytes of a file may be read for values of unknown size: 256 MiB, or 16 times the file if that is more.

    Zeros shrink to a thousandth when they are deflated: a file of 10 MB could ask for 10 GB, where a model without data
    takes whatever shape comes. Values whose size the model knows are not counted.
    """

    def __init__(self, file_size: int) -> None:
        self._left = max(_ALWAYS, _TIMES_THE_FILE * file_size)

    def take(self, stored: Stored) -> None:
        """Count a value.

        Raises:
            ValueError: It is more than what is left.
        """
        size = stored.dtype.itemsize
        for length in stored.shape:
            size *= length
        if size > self._left:
            raise ValueError(
                f"{stored.name!r}: {size} bytes, far more than a file of this size should hold; initialize the model "
                "before loading if it really has that shape"
            )
        self._left -= size


class InMemory(Stored):
    """An array that is there already."""

    def __init__(self, name: str, array: HostArray) -> None:
        super().__init__(name, array.shape, array.dtype)
        self._array = array

    def read(self) -> HostArray:
        """Return the array."""
        return self._array


def as_stored(name: str, value: Any) -> Stored | None:
    """Return what a mapping has under a name, which may be an array, a number or a text, as a stored value.

    Raises:
        ValueError: An array of objects.
    """
    if value is None or isinstance(value, Stored):
        return value
    array = np.asarray(value)
    if not array.dtype.hasobject:
        return InMemory(name, array)
    if array.shape == () and array.item() is None:
        return None
    raise ValueError(f"{name!r}: expected an array, a number, a string or None, got an array of objects")


# What formats have no type for. --------------------------------------------------------------------------------------
def encoded(array: HostArray) -> HostArray:
    """Return an array as it is stored: bfloat16 by its bits; None, a 0-d array of objects, by a marker."""
    if array.dtype.hasobject:
        return np.zeros((), _NONE)
    if array.dtype.name == "bfloat16":
        return array.view(np.uint16).astype("<u2").view(_BFLOAT16)
    return array


def means_none(dtype: np.dtype[Any]) -> bool:
    """Tell whether what is stored in this dtype is the marker of None."""
    return dtype == _NONE


def decoded_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which what is stored comes back.

    Raises:
        TypeError: bfloat16 without the package ml_dtypes.
    """
    return host_dtype("bfloat16") if dtype == _BFLOAT16 else dtype


def decoded(array: HostArray) -> HostArray:
    """Undo `encoded`, for anything but None, and let every byte of a truth value but 0 be true."""
    if array.dtype == np.bool_:
        return np.asarray(array.view(np.uint8) != 0)
    if array.dtype == _BFLOAT16:
        return array["bfloat16"].astype(np.uint16).view(host_dtype("bfloat16"))
    return array
