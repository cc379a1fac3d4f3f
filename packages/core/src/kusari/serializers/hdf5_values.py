"""Reading values from HDF5 without trusting the file: only what is in it, and no more than is asked for."""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from kusari.serializers.optional import optional_module
from kusari.serializers.stored import Allowance, HostArray, Stored, decoded, decoded_dtype, means_none

CHECKSUM: Final = "crc32"
"""The attribute with a dataset's `checksum`, without which a damaged one may go unnoticed."""

_SMALL_CHUNK: Final = 1 << 20
"""A chunk may be this large for an array that is smaller."""


def read_attribute(node: Any, name: str) -> Any:
    """Return a number or a text in ASCII that is attached to a group or dataset, or None.

    Raises:
        ValueError: It is damaged, or neither.
    """
    return _guarded(name, _attribute, node, name)


def _attribute(node: Any, name: str) -> Any:
    if not h5py_module().h5a.exists(node.id, name.encode()):
        return None
    # The library may not come back from damaged texts of variable length: they are not even opened.
    attribute = node.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind not in "Su":
        raise ValueError("expected a number or a text of fixed length")
    value = node.attrs[name]
    return value.decode("ascii") if isinstance(value, bytes) else int(value)


def checksum(array: HostArray) -> int:
    """Return the CRC-32 of an array's dtype, shape and elements."""
    return zlib.crc32(array.tobytes(), zlib.crc32(f"{array.dtype.str} {array.shape}".encode()))


def h5py_module() -> Any:
    """Return the module h5py.

    Raises:
        RuntimeError: It is not installed.
    """
    return optional_module("h5py", "hdf5", "HDF5")


class HDF5Values(Mapping[str, Stored | None]):
    """The datasets below a group, by path; each read when it is asked for.

    Args:
        group: An ``h5py.Group``; None: there is nothing.
    """

    def __init__(self, group: Any) -> None:
        self._group = group
        self._h5py = h5py_module()
        self._allowance = Allowance(0 if group is None else group.file.id.get_filesize())

    def __iter__(self) -> Iterator[str]:
        names: list[str] = []
        if self._group is not None:
            with contextlib.suppress(Exception):  # for hints only: of a damaged file, what can be listed
                self._group.visit(names.append)
        return iter(names)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> Stored | None:
        """Return a dataset that is still to be read; None for an empty one.

        Raises:
            KeyError: There is none of that name.
            ValueError: It is damaged, or lies outside the file.
        """
        dataset = self.find(name)
        if not isinstance(dataset, self._h5py.Dataset):
            raise KeyError(name)
        return _guarded(name, lambda: self._stored(name, dataset))

    def find(self, path: str) -> Any:
        """Return the group or dataset at a path.

        Raises:
            KeyError: There is none.
            ValueError: It is damaged, or lies outside the file.
        """
        node = self._group
        for part in path.strip("/").split("/"):
            if not isinstance(node, self._h5py.Group) or part in ("", "."):
                raise KeyError(path)
            node = _guarded(path, self._step, node, part)
            if node is None:
                raise KeyError(path)
        return node

    def _step(self, group: Any, part: str) -> Any:
        """Return the member of a group, or None."""
        if part.encode() not in group.id:
            return None
        if not isinstance(group.get(part, getlink=True), self._h5py.HardLink):
            raise ValueError("it is a link; links to other files or places are not followed")
        return group[part]

    def _stored(self, name: str, dataset: Any) -> Stored | None:
        _check_storage(self._h5py, dataset)
        if dataset.shape is None or means_none(dataset.dtype):
            return None
        text = self._h5py.check_string_dtype(dataset.dtype)
        if dataset.dtype.hasobject:
            raise ValueError("it is of variable length, or refers to other places; texts have a fixed length")
        return _Dataset(name, dataset, self._allowance, text is not None and text.encoding == "utf-8")


def _guarded(name: str, step: Any, *args: Any) -> Any:
    """Take a step of reading; say which value it was that could not be read."""
    try:
        return step(*args)
    except Exception as error:  # what a damaged file can raise is not documented
        raise ValueError(f"HDF5 file: {name!r} cannot be read, the file is damaged or hostile: {error}") from error


def _check_storage(h5py: Any, dataset: Any) -> None:
    """Refuse elements that are in another file, and filters that are not deflate's."""
    properties = dataset.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        raise ValueError("its elements are in another file")
    filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
    known = [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32]
    if filters != [each for each in known if each in filters]:
        raise ValueError(f"it went through the filters {filters}; expected gzip, perhaps with shuffle and fletcher32")


class _Dataset(Stored):
    """One dataset: shape and dtype are read at once, its elements later."""

    def __init__(self, name: str, dataset: Any, allowance: Allowance, is_text: bool) -> None:
        dtype = np.dtype(f"U{dataset.dtype.itemsize}") if is_text else decoded_dtype(dataset.dtype)
        super().__init__(name, dataset.shape, dtype, allowance)
        self._dataset = dataset
        self._is_text = is_text

    def read(self) -> HostArray:
        """Return the array; texts as str."""
        return _guarded(self.name, self._read)

    def _read(self) -> HostArray:
        dataset = self._dataset
        if dataset.chunks is not None:
            self._check_chunks(dataset)
        array: HostArray = dataset[...]  # not [()], which makes a number in this machine's byte order of a 0-d array
        expected = _attribute(dataset, CHECKSUM)
        if expected is not None and expected != checksum(array):
            raise ValueError("its checksum is another")
        return np.strings.decode(array, "utf-8") if self._is_text else decoded(array)

    def _check_chunks(self, dataset: Any) -> None:
        """Inflate every chunk by ourselves first: the library stops only when a chunk ends, however large it gets."""
        chunk = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
        if chunk > max(_SMALL_CHUNK, math.prod(dataset.shape) * dataset.id.get_type().get_size()):
            raise ValueError(f"its chunks of {dataset.chunks} are larger than its shape {dataset.shape}")
        chunks: list[Any] = []
        dataset.id.chunk_iter(chunks.append)
        for info in chunks:
            # Deflate adds five bytes for each 16 KB that it cannot shrink, and a few at the ends.
            if info.size > chunk + chunk // 1000 + 64:
                raise ValueError(f"a chunk of {info.size} bytes for {chunk} of data")
            if dataset.compression == "gzip" and not info.filter_mask:
                _, stored = dataset.id.read_direct_chunk(info.chunk_offset)
                if len(zlib.decompressobj().decompress(stored, chunk + 1)) != chunk:
                    raise ValueError(f"a chunk does not inflate to its {chunk} bytes")
