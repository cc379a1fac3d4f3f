"""Saving into a dictionary of host arrays: what a file holds, before it is written."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from kusari.backend import device_of_array
from kusari.serializer import Serializer


class DictionarySerializer(Serializer):
    """Put every value into one flat dictionary, by its path.

    Args:
        target: The dictionary. Default: a new one.
        path: What every key starts with.

    >>> serializer = DictionarySerializer()
    >>> serializer.save(L.Linear(3, 2))
    >>> {key: array.shape for key, array in serializer.target.items()}
    {'W': (2, 3), 'b': (2,)}
    """

    def __init__(self, target: dict[str, Any] | None = None, path: str = "") -> None:
        self.target: dict[str, Any] = {} if target is None else target
        self.path = path

    def __getitem__(self, key: str) -> Self:
        return type(self)(self.target, self.path + key.strip("/") + "/")

    def __call__(self, key: str, value: Any) -> Any:
        name = self.path + key.lstrip("/")
        self.target[name] = host_array(name, value)
        return value


def host_array(name: str, value: Any) -> np.ndarray[Any, Any]:
    """Return a value as a host array of its own; None as a 0-d array of objects.

    Raises:
        TypeError: It is no array, number, string or None.
    """
    if not isinstance(value, np.generic) and hasattr(value, "dtype") and hasattr(value, "shape"):
        return device_of_array(value).backend.to_host(value)
    array = np.array(value)
    if array.dtype.hasobject and value is not None:
        raise TypeError(
            f"{name!r}: a {type(value).__name__} cannot be saved; expected an array, a number, a string or None "
            "(or lists of these)"
        )
    return array
