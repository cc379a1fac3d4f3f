"""Saving to and loading from npz files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from kusari.backend import Backend, backend_of_array, copyto
from kusari.serializer import Deserializer
from kusari.serializers.archive import Archive, write_archive
from kusari.serializers.atomic import replacing
from kusari.serializers.dictionary import DictionarySerializer, host_array

Names: TypeAlias = "str | Callable[[str], bool] | Iterable[str | Callable[[str], bool]] | None"


def save_npz(file: Any, obj: Any, compression: bool = True) -> None:
    """Save an object to an npz file.

    Each value is an entry by its path without the first slash: ``l1/W``. A path is written as a whole or not at all: a
    crash leaves the old file. The extension is not added.

    Args:
        file: A path, or a file opened for writing in binary.
        obj: Something with a ``serialize`` method (a link, an optimizer, a trainer), or a dict of arrays, numbers,
            strings and None.
        compression: Deflate the arrays: smaller and slower.

    Raises:
        TypeError: A value that is none of these.

    >>> import io
    >>> file, model = io.BytesIO(), L.Linear(3, 2)
    >>> save_npz(file, model)
    >>> other = L.Linear(3, 2)
    >>> load_npz(file, other)
    >>> bool((other.W.array == model.W.array).all())
    True
    """
    if isinstance(obj, dict):
        arrays = {name: host_array(name, value) for name, value in obj.items()}
    else:
        serializer = DictionarySerializer()
        serializer.save(obj)
        arrays = serializer.target
    if isinstance(file, str | os.PathLike):
        with replacing(file) as opened:
            write_archive(opened, arrays, compression)
    else:
        write_archive(file, arrays, compression)


def load_npz(file: Any, obj: Any, path: str = "", strict: bool = True, ignore_names: Names = None) -> None:
    """Load an object from an npz file.

    The load is rehearsed first: when the file is damaged, or does not fit, the object stays as it was. Nothing is
    unpickled; of pickles only the one that means None is recognized.

    Args:
        file: A path, or a seekable file opened for reading in binary.
        obj: Something with a ``serialize`` method. Its arrays are filled in place, in their own dtype.
        path: Where in the file its values are, with the final slash: ``updater/model:main/``.
        strict: Raise where a value is missing. False: it keeps what it has.
        ignore_names: Names in the file, or functions of a name, of values to leave alone; one, or several.

    Raises:
        KeyError: A value is missing in the file.
        ValueError: Another shape, a damaged file, a pickled object, or ``ignore_names`` of another type.
        TypeError: A dtype that does not fit: floating numbers for an integer array, say.
    """
    with Archive(file) as archive:
        rehearsal = _Rehearsal(_Remembering(archive), path, strict, ignore_names)
        rehearsal.rehearse(obj)
        NpzDeserializer(rehearsal.npz, path, strict, ignore_names).load(obj)


class NpzDeserializer(Deserializer):
    """Load values from an npz file, or from a dictionary of arrays.

    It writes as it goes; `load_npz` makes sure first that all will go well.

    Args:
        npz: What ``np.load`` returns, or a mapping such as `DictionarySerializer` makes.
        path: What every name starts with.
        strict: Raise where a value is missing.
        ignore_names: Names, or functions of a name, of values to leave alone.

    Raises:
        ValueError: ``ignore_names`` of another type.

    >>> NpzDeserializer({"l/t": np.asarray(3)}, "l/")("t", 0)
    3
    """

    def __init__(self, npz: Any, path: str = "", strict: bool = True, ignore_names: Names = None) -> None:
        self.npz: Mapping[str, Any] = Archive(npz) if isinstance(npz, np.lib.npyio.NpzFile) else npz
        self.path = path
        self.strict = strict
        self.ignore_names = _tests_of_names(ignore_names)

    def __getitem__(self, key: str) -> Self:
        return type(self)(self.npz, self.path + key.strip("/") + "/", self.strict, self.ignore_names)

    def __call__(self, key: str, value: Any) -> Any:
        name = self.path + key.lstrip("/")
        if any(ignored(name) for ignored in self.ignore_names):
            return value
        try:
            stored = self.npz[name]
        except KeyError:
            if not self.strict:
                return value
            raise KeyError(self._missing(name)) from None
        return self._take(name, value, stored)

    def _take(self, name: str, value: Any, stored: Any) -> Any:
        loaded = _fitting(name, value, stored)
        if loaded is not None and _is_array(value):
            copyto(value, loaded)
            return value
        return loaded

    def _missing(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.npz, n=3)
        hint = f"; it has {', '.join(map(repr, near))}" if near else ""
        return f"{name!r} is not in the file{hint}. strict=False keeps what is not there"


class _Rehearsal(NpzDeserializer):
    """Walks through an object like a load, and changes nothing: every value comes back as it was handed in."""

    rehearsing: ClassVar[bool] = True
    problem: BaseException | None = None

    def rehearse(self, obj: Any) -> None:
        """Raise what a load would raise of the file.

        An error of the object's own ``serialize`` is left to the load itself: it may come of a value that was None and
        stayed so.
        """
        problems: list[BaseException] = self.npz.problems  # type: ignore[attr-defined]
        try:
            self.load(obj)
        except Exception as error:
            if any(error is problem for problem in problems):
                raise

    def __call__(self, key: str, value: Any) -> Any:
        try:
            return super().__call__(key, value)
        except Exception as error:
            self.npz.problems.append(error)  # type: ignore[attr-defined]
            raise

    def _take(self, name: str, value: Any, stored: Any) -> Any:
        _fitting(name, value, stored)
        return value


class _Remembering(Mapping[str, Any]):
    """An archive that keeps what was read in the rehearsal until it is read again, and what went wrong."""

    def __init__(self, archive: Archive) -> None:
        self.problems: list[BaseException] = []
        self._archive = archive
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        found = self._read.pop(name, None)
        if found is None:
            found = self._read[name] = self._archive[name]
        return found

    def __iter__(self) -> Any:
        return iter(self._archive)

    def __len__(self) -> int:
        return len(self._archive)


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


def _fitting(name: str, value: Any, stored: Any) -> Any:
    """Return what is stored in the type of ``value``; for an array, what is to be copied into it.

    Raises:
        ValueError: Another shape.
        TypeError: Another kind of dtype.
    """
    stored = np.asarray(stored)
    if stored.dtype.hasobject:
        if stored.shape == () and stored.item() is None:
            return None
        raise ValueError(f"{name!r}: expected an array, a number, a string or None, got an array of objects")
    if value is None:
        return stored
    if _is_array(value):
        return _for_array(name, value, stored)
    if isinstance(value, list | tuple):
        return type(value)(stored.tolist())
    return _for_scalar(name, value, stored)


def _for_array(name: str, value: Any, stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if stored.shape != value.shape:
        raise ValueError(f"{name!r}: expected shape {tuple(value.shape)}, the file has {stored.shape}")
    backend: Backend = backend_of_array(value)
    dtype = backend.host_dtype(value.dtype)
    if not np.can_cast(_standard(stored.dtype), _standard(dtype), "same_kind"):
        raise TypeError(f"{name!r}: {stored.dtype} in the file cannot become {dtype}")
    return stored if stored.dtype == dtype else stored.astype(dtype)


def _for_scalar(name: str, value: Any, stored: np.ndarray[Any, Any]) -> Any:
    kind = type(value)
    if stored.size != 1:
        raise TypeError(f"{name!r}: expected one {kind.__name__}, the file has an array of shape {stored.shape}")
    number = np.issubdtype(stored.dtype, np.number)
    integers = np.issubdtype(stored.dtype, np.integer) and kind is int
    if number and not integers and not np.can_cast(stored.dtype, kind, "safe"):
        raise TypeError(f"{name!r}: {stored.dtype} in the file cannot safely become {kind.__name__}")
    return kind(stored.item())


def _standard(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return float32 for bfloat16, which NumPy's casting rules do not know."""
    return np.dtype("f") if dtype.name == "bfloat16" else dtype
