"""Reading and writing the npz container: a zip of arrays, without pickle in either direction."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

import numpy as np

from kusari.dtypes import host_dtype
from kusari.serializers.pickled_none import LONGEST, is_pickled_none

_SUFFIX: Final = ".npy"
# What the format has no type for is stored as a field whose name says what it is.
_NONE: Final = np.dtype([("none", "u1")])
_BFLOAT16: Final = np.dtype([("bfloat16", "<u2")])


class Archive(Mapping[str, Any]):
    """The arrays of an npz file by name, each read when it is asked for.

    Args:
        source: A path, a seekable binary file, or what ``np.load`` returned.

    Raises:
        ValueError: Not an npz file, or one that was cut off.
    """

    def __init__(self, source: Any) -> None:
        self._source = source  # np.load closes the file when nobody holds what it returned
        opened = source.zip if isinstance(source, np.lib.npyio.NpzFile) else None
        if isinstance(source, str | os.PathLike):
            self.name = os.fspath(source)
        else:
            self.name = getattr(source, "name", None) or "npz file"
        try:
            self._zip = zipfile.ZipFile(source) if opened is None else opened
        except (zipfile.BadZipFile, EOFError) as error:
            raise ValueError(f"{self.name}: not an npz file, or one that was cut off ({error})") from error
        self._entries = {info.filename.removesuffix(_SUFFIX): info for info in self._zip.infolist()}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, key: str) -> Any:
        """Return an array; a 0-d array of objects for None.

        Raises:
            KeyError: There is none of that name.
            ValueError: It is damaged, or a pickled object.
        """
        info = self._entries[key]
        try:
            with self._zip.open(info) as file:
                array = _read(file, info.file_size)
                if file.read(1):  # also makes zipfile compare the checksum
                    raise ValueError("there are bytes after the array")
        except _PickledObject:
            raise ValueError(
                f"{self.name}: {key!r} is a pickled Python object, and unpickling runs what the file says; "
                "only arrays, numbers, strings and None are loaded"
            ) from None
        except Exception as error:  # what a damaged header can raise is not documented
            raise ValueError(f"{self.name}: {key!r} cannot be read, the file is damaged: {error}") from error
        return _decoded(array)


class _PickledObject(Exception):
    """An entry that only pickle could read."""


def _read(file: IO[bytes], size: int) -> np.ndarray[Any, Any]:
    """Read one .npy entry of ``size`` bytes."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"version {version} of the format")
    # Version 3 differs from 2 in the header's encoding alone: field names that are not Latin-1.
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read_header(file)
    if dtype.hasobject:
        if dtype.kind == "O" and shape == () and is_pickled_none(file.read(LONGEST + 1)):
            return np.array(None, dtype=object)
        raise _PickledObject
    count = math.prod(shape) * dtype.itemsize
    if not 0 <= count <= size:  # before memory is taken for it
        raise ValueError(f"it says shape {shape} of {dtype}, and has {size} bytes")
    data = bytearray(count)
    view, filled = memoryview(data), 0
    while filled < count:
        got = file.read(min(count - filled, 1 << 24))
        if not got:
            raise ValueError(f"it ends after {filled} of {count} bytes")
        view[filled : filled + len(got)] = got
        filled += len(got)
    array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, data, order="F" if fortran_order else "C")
    return array


def _decoded(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Turn what stands for None and for bfloat16 back."""
    if array.dtype == _NONE:
        return np.array(None, dtype=object)
    if array.dtype == _BFLOAT16:
        return array["bfloat16"].astype(np.uint16).view(host_dtype("bfloat16"))
    return array


def _encoded(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype.hasobject:
        return np.zeros((), _NONE)
    if array.dtype.name == "bfloat16":
        return array.view(np.uint16).astype("<u2").view(_BFLOAT16)
    return array


def write_archive(file: Any, arrays: Mapping[str, np.ndarray[Any, Any]], compression: bool) -> None:
    """Write arrays as an npz file.

    The same arrays give the same bytes: entries carry no time.

    Args:
        file: A path or a binary file.
        arrays: By name; a 0-d array of objects counts as None.
        compression: Deflate them.
    """
    method = zipfile.ZIP_DEFLATED if compression else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method, allowZip64=True) as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(name + _SUFFIX)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, _encoded(array), allow_pickle=False)
