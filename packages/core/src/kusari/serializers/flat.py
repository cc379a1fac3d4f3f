"""Loading from values by name: the part that npz, HDF5 and safetensors have in common."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypeAlias

import numpy as np

from kusari.backend import Backend, backend_of_array, copyto
from kusari.serializer import Deserializer
from kusari.serializers.stored import HostArray, Stored, as_stored

Names: TypeAlias = "str | Callable[[str], bool] | Iterable[str | Callable[[str], bool]] | None"


class FlatDeserializer(Deserializer):
    """Load values from a mapping of names to arrays.

    It writes as it goes; the functions ``load_…`` make sure first that all will go well.

    Args:
        values: By name: stored values, arrays, numbers, texts, None.
        path: What every name starts with.
        strict: Raise where a value is missing.
        ignore_names: Names, or functions of a name, of values to leave alone.

    Raises:
        ValueError: ``ignore_names`` of another type.
    """

    def __init__(
        self, values: Mapping[str, Any], path: str = "", strict: bool = True, ignore_names: Names = None
    ) -> None:
        self.values = values
        self.path = path
        self.strict = strict
        self.ignore_names = _tests_of_names(ignore_names)

    def over(self, values: Mapping[str, Any]) -> Self:
        """Return the same deserializer over other values."""
        other = copy.copy(self)
        other.values = values
        return other

    def __getitem__(self, key: str) -> Self:
        part = copy.copy(self)
        part.path = self.path + key.strip("/") + "/"
        return part

    def __call__(self, key: str, value: Any) -> Any:
        return self._load(key, value, lambda name, stored: _fitting(name, value, stored))

    def new_array(self, key: str, dtype: Any) -> Any:
        """Return an array in a dtype, or None.

        Raises:
            KeyError: It is missing in the file.
            ValueError: It is damaged, or more than a file of that size should hold.
            TypeError: Another kind of dtype.
        """
        return self._load(key, None, lambda name, stored: _cast(name, stored, dtype, stored.read_any_size))

    def _load(self, key: str, value: Any, fit: Callable[[str, Stored], Any]) -> Any:
        """Look a value up, bring it into the right type, and take it; or leave ``value`` as it is."""
        name = self.path + key.lstrip("/")
        if any(ignored(name) for ignored in self.ignore_names):
            return value
        try:
            found = self.values[name]
        except KeyError:
            if not self.strict:
                return value
            raise self.missing(name) from None
        stored = as_stored(name, found)
        return self._take(value, None if stored is None else fit(name, stored))

    def _take(self, value: Any, loaded: Any) -> Any:
        """Copy what was loaded into an array; anything else is handed back instead of ``value``."""
        if loaded is not None and _is_array(value):
            copyto(value, loaded)
            return value
        return loaded

    def missing(self, name: str) -> Exception:
        """Return the error of a value that is not there."""
        near = difflib.get_close_matches(name, self.values, n=3)
        hint = f"; it has {', '.join(map(repr, near))}" if near else ""
        return KeyError(f"{name!r} is not in the file{hint}. strict=False keeps what is not there")


def _tests_of_names(names: Names) -> list[Callable[[str], bool]]:
    if names is None:
        return []
    several: Iterable[Any] = [names] if isinstance(names, str) or callable(names) else names
    tests: list[Callable[[str], bool]] = []
    try:
        for name in several:
            if isinstance(name, str):
                tests.append(name.__eq__)
            elif callable(name):
                tests.append(name)
            else:
                raise TypeError(f"{name!r}")
    except TypeError:
        raise ValueError(f"ignore_names={names!r}: expected a name, a function of a name, or a list of these") from None
    return tests


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, np.generic)


def _fitting(name: str, value: Any, stored: Stored) -> Any:
    """Return what is stored in the type of ``value``; for an array, what is to be copied into it.

    Nothing is read before shape and dtype are known to fit.

    Raises:
        ValueError: Another shape.
        TypeError: Another kind of dtype.
    """
    if value is None:
        return stored.read_any_size()
    if _is_array(value):
        return _for_array(name, value, stored)
    if isinstance(value, list | tuple):
        return type(value)(stored.read_any_size().tolist())
    return _for_scalar(name, value, stored)


def _for_array(name: str, value: Any, stored: Stored) -> HostArray:
    if stored.shape != tuple(value.shape):
        raise ValueError(f"{name!r}: expected shape {tuple(value.shape)}, the file has {stored.shape}")
    backend: Backend = backend_of_array(value)
    return _cast(name, stored, backend.host_dtype(value.dtype), lambda: _read_elements(stored))


def _cast(name: str, stored: Stored, dtype: np.dtype[Any], read: Callable[[], HostArray]) -> HostArray:
    """Read an array in another dtype of the same kind.

    Raises:
        TypeError: It is of another kind, or has numbers or texts for which the dtype is too small.
    """
    if not np.can_cast(_standard(stored.dtype), _standard(dtype), "same_kind"):
        raise TypeError(f"{name!r}: {stored.dtype} in the file cannot become {dtype}")
    array = read()
    if array.dtype == dtype:
        return array
    if dtype.kind in "SU" and array.dtype.itemsize > dtype.itemsize:
        raise TypeError(f"{name!r}: {array.dtype} in the file has longer texts than {dtype} takes")
    try:
        with np.errstate(over="raise", invalid="ignore"):
            return array.astype(dtype)
    except FloatingPointError:
        raise TypeError(f"{name!r}: a number in the file is too large for {dtype}") from None


def _for_scalar(name: str, value: Any, stored: Stored) -> Any:
    kind = type(value)
    if any(length != 1 for length in stored.shape):
        raise TypeError(f"{name!r}: expected one {kind.__name__}, the file has an array of shape {stored.shape}")
    standard = _standard(stored.dtype)
    number = np.issubdtype(standard, np.number)
    integers = np.issubdtype(standard, np.integer) and kind is int
    if number and not integers and not np.can_cast(standard, kind, "safe"):
        raise TypeError(f"{name!r}: {stored.dtype} in the file cannot safely become {kind.__name__}")
    item = _read_elements(stored).item()
    try:
        return kind(item)
    except (ValueError, TypeError, OverflowError) as error:  # "abc" for a number, 1e999 for an int
        raise TypeError(f"{name!r}: {item!r:.40} in the file cannot become {kind.__name__}: {error}") from error


def _read_elements(stored: Stored) -> HostArray:
    """Read what has the right shape; texts may still have any length."""
    return stored.read() if stored.dtype.itemsize <= 32 else stored.read_any_size()


def _standard(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return float32 for bfloat16, which NumPy's casting rules do not know."""
    return np.dtype("f") if dtype.name == "bfloat16" else dtype
