"""Saving to and loading from HDF5 files; needs the package h5py."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from kusari.model.sequential import numbering_in_files
from kusari.serializer import Serializer
from kusari.serializers.atomic import replacing
from kusari.serializers.dictionary import host_array
from kusari.serializers.flat import FlatDeserializer
from kusari.serializers.hdf5_values import CHECKSUM, HDF5Values, checksum, h5py_module, read_attribute
from kusari.serializers.loading import NUMBERING, load_whole
from kusari.serializers.stored import HostArray, encoded


def save_hdf5(filename: Any, obj: Any, compression: int | str | None = 4) -> None:
    """Save an object to an HDF5 file.

    Parts are groups and values are datasets: ``/l1/W``. A path is written as a whole or not at all: a crash leaves the
    old file. An attribute of the root says how Sequentials are numbered, one of each dataset is its checksum.

    Args:
        filename: A path, or a file opened for reading and writing in binary.
        obj: Something with a ``serialize`` method (a link, an optimizer, a trainer), or a dict of arrays, numbers,
            strings and None.
        compression: gzip's level, 0 to 9, for arrays of more than one element; or what h5py takes in its place.

    Raises:
        RuntimeError: The package h5py is not installed.
        TypeError: A value that is none of these.

    >>> import io
    >>> file, model = io.BytesIO(), L.Linear(3, 2)
    >>> save_hdf5(file, model)
    >>> other = L.Linear(3, 2)
    >>> load_hdf5(file, other)
    >>> bool((other.W.array == model.W.array).all())
    True
    """
    h5py_module()
    if isinstance(filename, str | os.PathLike):
        with replacing(filename) as opened:
            _write(opened, obj, compression)
    else:
        filename.seek(0)
        filename.truncate()  # h5py does so with paths only, and would add to what is there
        _write(filename, obj, compression)


def _write(file: Any, obj: Any, compression: Any) -> None:
    with h5py_module().File(file, "w") as root:
        serializer = HDF5Serializer(root, compression)
        if isinstance(obj, dict):
            for name, value in obj.items():
                serializer(name, value)
        else:
            root.attrs[NUMBERING] = np.bytes_(numbering_in_files())
            serializer.save(obj)  # not by way of a flat dictionary: parts without values are groups, too


def load_hdf5(filename: Any, obj: Any) -> None:
    """Load an object from an HDF5 file.

    The load is rehearsed first: when the file is damaged, or does not fit, the object stays as it was. Nothing is read
    that is larger than what the object has a place for, and nothing that lies in another file. Files of the original
    have no checksums where nothing is compressed: there, a damaged number goes unnoticed.

    The original numbers the links of a `Sequential` otherwise where there are three or more. Its files are loaded
    within ``with using_config("sequential_numbering", "legacy"):``; those of `save_hdf5` say themselves which it is.

    Args:
        filename: A path, or a file opened for reading in binary.
        obj: Something with a ``serialize`` method. Its arrays are filled in place, in their own dtype.

    Raises:
        RuntimeError: The package h5py is not installed.
        KeyError: A value is missing in the file.
        ValueError: A whole part is missing, another shape, or a damaged file.
        TypeError: A dtype that does not fit: floating numbers for an integer array, say.
    """
    with _opened(filename) as root:
        load_whole(HDF5Deserializer(root), obj, read_attribute(root, NUMBERING))


@contextlib.contextmanager
def _opened(filename: Any) -> Iterator[Any]:
    """Open a file for reading.

    Raises:
        OSError: There is none, or it may not be read.
        ValueError: It is not an HDF5 file.
    """
    h5py = h5py_module()
    if isinstance(filename, str | os.PathLike):
        with open(filename, "rb"):
            pass  # an OSError from here on is about what is in the file
    try:
        root = h5py.File(filename, "r")
    except Exception as error:  # what a damaged file can raise is not documented
        raise ValueError(f"{filename}: not an HDF5 file, or one that was cut off ({error})") from error
    with root:
        yield root


class HDF5Serializer(Serializer):
    """Save values as datasets of an HDF5 group.

    Args:
        group: An ``h5py.Group``, a file for instance.
        compression: gzip's level for arrays of more than one element; or what h5py takes in its place.

    Raises:
        RuntimeError: The package h5py is not installed.
    """

    def __init__(self, group: Any, compression: int | str | None = 4) -> None:
        h5py_module()
        self.group = group
        self.compression = compression

    def __getitem__(self, key: str) -> Self:
        return type(self)(self.group.require_group(key.strip("/")), self.compression)

    def __call__(self, key: str, value: Any) -> Any:
        self._write(key.lstrip("/"), host_array(key, value))
        return value

    def _write(self, name: str, array: HostArray) -> None:
        """Write an array as a dataset: None as an empty one, text as UTF-8 of fixed length."""
        h5py = h5py_module()
        if array.dtype.hasobject:
            self.group.create_dataset(name, data=h5py.Empty("f"))
            return
        if array.dtype.kind == "U":
            array = np.asarray(np.strings.encode(array, "utf-8"))
            array = array.astype(h5py.string_dtype("utf-8", max(array.dtype.itemsize, 1)))
        compression = self.compression if array.size > 1 else None
        dataset = self.group.create_dataset(name, data=encoded(array), compression=compression)
        dataset.attrs[CHECKSUM] = np.uint32(checksum(encoded(array)))


class HDF5Deserializer(FlatDeserializer):
    """Load values from the datasets of an HDF5 group.

    It writes as it goes; `load_hdf5` makes sure first that all will go well.

    Args:
        group: An ``h5py.Group``, a file for instance; None, without ``strict``: every value keeps what it has.
        strict: Raise where a value or a group is missing.

    Raises:
        RuntimeError: The package h5py is not installed.
    """

    def __init__(self, group: Any, strict: bool = True) -> None:
        super().__init__(HDF5Values(group), "", strict)
        self.group = group

    def __getitem__(self, key: str) -> Self:
        """Return the deserializer of a part.

        A part may have saved nothing, and files made of a dictionary have no groups for such: that there is no group is
        an error only where a value of it is asked for.
        """
        part = super().__getitem__(key)
        try:
            part.group = None if self.group is None else HDF5Values(self.group).find(key)
        except KeyError:
            part.group = None
        return part

    def missing(self, name: str) -> Exception:
        """Return the error of a value that is not there: a ValueError where its whole group is not."""
        if self.group is not None:
            return super().missing(name)
        part = self.path.rstrip("/")
        return ValueError(
            f"{part!r} is not in the file, where {name!r} should be; strict=False keeps what is not there"
        )
