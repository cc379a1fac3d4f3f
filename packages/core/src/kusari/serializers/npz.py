"""Saving to and loading from npz files."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from kusari.serializers.archive import Archive, write_archive
from kusari.serializers.atomic import replacing
from kusari.serializers.flat import FlatDeserializer, Names
from kusari.serializers.loading import NUMBERING, flattened, load_whole


def save_npz(file: Any, obj: Any, compression: bool = True) -> None:
    """Save an object to an npz file.

    Each value is an entry by its path without the first slash: ``l1/W``. A path is written as a whole or not at all: a
    crash leaves the old file. The extension is not added. The first entry's comment says how Sequentials are numbered.

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
    arrays, numbering = flattened(obj)
    comment = "" if numbering is None else f"kusari {NUMBERING}={numbering}"
    if isinstance(file, str | os.PathLike):
        with replacing(file) as opened:
            write_archive(opened, arrays, compression, comment)
    else:
        write_archive(file, arrays, compression, comment)


def load_npz(file: Any, obj: Any, path: str = "", strict: bool = True, ignore_names: Names = None) -> None:
    """Load an object from an npz file.

    The load is rehearsed first: when the file is damaged, or does not fit, the object stays as it was. Nothing is
    unpickled; of pickles only the one that means None is recognized. Nothing is read that is larger than what the
    object has a place for.

    The original numbers the links of a `Sequential` otherwise where there are three or more. Its files are loaded
    within ``with using_config("sequential_numbering", "legacy"):``; those of `save_npz` say themselves which it is.

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
        said = re.search(rf"{NUMBERING}=(\w+)", archive.comment)
        load_whole(NpzDeserializer(archive, path, strict, ignore_names), obj, said[1] if said else None)


class NpzDeserializer(FlatDeserializer):
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
        super().__init__(Archive(npz) if isinstance(npz, np.lib.npyio.NpzFile) else npz, path, strict, ignore_names)

    @property
    def npz(self) -> Any:
        """What the values come from."""
        return self.values
