"""Reading and writing the npz container: a zip of arrays, without pickle in either direction."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

import numpy as np

from kusari.serializers.pickled_none import LONGEST, is_pickled_none
from kusari.serializers.stored import Allowance, HostArray, Stored, decoded, decoded_dtype, encoded, means_none

_SUFFIX: Final = ".npy"
_METHODS: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED: Final = 1
_PIECE: Final = 1 << 24


class Archive(Mapping[str, Stored | None]):
    """The arrays of an npz file by name, each read when it is asked for.

    Names are keys and nothing else: no entry is ever written to the disk under its name.

    Args:
        source: A path, a seekable binary file, or what ``np.load`` returned.

    Raises:
        OSError: The file cannot be opened.
        ValueError: Not an npz file, one that was cut off, or one that nothing writes so.
    """

    def __init__(self, source: Any) -> None:
        self._source = source  # np.load closes the file when nobody holds what it returned
        self._opened: IO[bytes] | None = None
        self._zip: zipfile.ZipFile
        if isinstance(source, np.lib.npyio.NpzFile):
            if source.zip is None:
                raise ValueError("what np.load returned is closed already")
            self.name, self._zip = "npz file", source.zip
        elif isinstance(source, str | os.PathLike):
            self.name = os.fspath(source)
            self._opened = open(source, "rb")  # noqa: SIM115 - closed by __exit__
            self._zip = self._read_directory(self._opened)
        else:
            self.name = str(getattr(source, "name", None) or "npz file")
            self._zip = self._read_directory(source)
        self._entries = self._check_entries()
        self._allowance = Allowance(sum(info.compress_size for info in self._entries.values()))

    def _read_directory(self, file: Any) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(file)
        except Exception as error:  # what a damaged directory can raise is not documented
            self._close()
            raise ValueError(f"{self.name}: not an npz file, or one that was cut off ({error})") from error

    def _check_entries(self) -> dict[str, zipfile.ZipInfo]:
        entries: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = info.filename.removesuffix(_SUFFIX)
            if name in entries:
                self._close()
                raise ValueError(f"{self.name}: there are two entries {name!r}, and nothing says which one is meant")
            entries[name] = info
        return entries

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def comment(self) -> str:
        """The text that goes with the file: that of its first entry, since zip's own may be cut off unnoticed."""
        first = next(iter(self._entries.values()), None)
        return "" if first is None else first.comment.decode("ascii", "replace")

    def __getitem__(self, key: str) -> Stored | None:
        """Return an array that is still to be read; None for None.

        Raises:
            KeyError: There is none of that name.
            ValueError: It is damaged, or a pickled object.
        """
        entry = _Entry(self, key, self._entries[key])
        return None if entry.means_none else entry

    def open_entry(self, info: zipfile.ZipInfo) -> IO[bytes]:
        """Open an entry, if a model could have been saved so."""
        # Other methods than deflate's may give any number of bytes for one that is read.
        if info.compress_type not in _METHODS or info.flag_bits & _ENCRYPTED:
            raise ValueError("it is encrypted, or compressed by another method than deflate")
        return self._zip.open(info)


class _PickledObject(Exception):
    """An entry that only pickle could read."""


class _Entry(Stored):
    """One .npy file in the archive: its header is read at once, its elements later."""

    def __init__(self, archive: Archive, name: str, info: zipfile.ZipInfo) -> None:
        self._archive = archive
        self._info = info
        self.name = name
        shape, self._fortran_order, self._stored_dtype, self._start, self.means_none = self._guarded(self._read_header)
        dtype = self._guarded(lambda: decoded_dtype(self._stored_dtype))
        super().__init__(name, shape, dtype, archive._allowance)

    def read(self) -> HostArray:
        """Return the array."""
        return decoded(self._guarded(self._read_elements))

    def _guarded(self, step: Any) -> Any:
        """Take a step of reading; say which file and entry it was that could not be read."""
        try:
            return step()
        except _PickledObject:
            raise ValueError(
                f"{self._archive.name}: {self.name!r} is a pickled Python object, and unpickling runs what the file "
                "says; only arrays, numbers, strings and None are loaded"
            ) from None
        except Exception as error:  # what a damaged header can raise is not documented
            raise ValueError(
                f"{self._archive.name}: {self.name!r} cannot be read, the file is damaged: {error}"
            ) from error

    def _read_header(self) -> tuple[tuple[int, ...], bool, np.dtype[Any], int, bool]:
        with self._archive.open_entry(self._info) as file:
            version = np.lib.format.read_magic(file)
            if version not in ((1, 0), (2, 0), (3, 0)):
                raise ValueError(f"version {version} of the format")
            # Version 3 differs from 2 in the header's encoding alone: field names that are not Latin-1.
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran_order, dtype = read(file)
            start = file.tell()
            if dtype.hasobject:
                if dtype.kind == "O" and shape == () and is_pickled_none(file.read(LONGEST + 1)):
                    return shape, fortran_order, dtype, start, True
                raise _PickledObject
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or start + size != self._info.file_size:
            raise ValueError(f"it says shape {shape} of {dtype}, and has {self._info.file_size - start} bytes")
        return shape, fortran_order, dtype, start, means_none(dtype)

    def _read_elements(self) -> HostArray:
        data = bytearray(self._info.file_size - self._start)
        view, filled = memoryview(data), 0
        with self._archive.open_entry(self._info) as file:
            file.read(self._start)
            while filled < len(data):
                got = file.read(min(len(data) - filled, _PIECE))
                if not got:
                    raise ValueError(f"it ends after {filled} of {len(data)} bytes")
                view[filled : filled + len(got)] = got
                filled += len(got)
            if file.read(1):  # also makes zipfile compare the checksum
                raise ValueError("there are bytes after the array")
        array: HostArray = np.ndarray(self.shape, self._stored_dtype, data, order="F" if self._fortran_order else "C")
        return array


def write_archive(file: Any, arrays: Mapping[str, HostArray], compression: bool, comment: str = "") -> None:
    """Write arrays as an npz file.

    The same arrays give the same bytes: entries carry no time.

    Args:
        file: A path or a binary file.
        arrays: By name; a 0-d array of objects counts as None.
        compression: Deflate them.
        comment: A text that goes with the file, in ASCII.
    """
    method = zipfile.ZIP_DEFLATED if compression else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method, allowZip64=True) as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(name + _SUFFIX)
            info.compress_type = method
            info.comment, comment = comment.encode("ascii"), ""
            with archive.open(info, "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, encoded(array), allow_pickle=False)
