"""Saving to and loading from safetensors files; needs the package safetensors."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from kusari.dtypes import host_dtype
from kusari.serializers.atomic import replacing
from kusari.serializers.flat import FlatDeserializer, Names
from kusari.serializers.loading import NUMBERING, flattened, load_whole
from kusari.serializers.optional import optional_module
from kusari.serializers.stored import HostArray, InMemory, Stored, decoded

_FORMAT: Final = "kusari"
_LONGEST_HEADER: Final = 1 << 24
"""16 MiB: 100,000 values take about 10."""
_DTYPES: Final = {
    "BOOL": "bool",
    "BF16": "bfloat16",
    "C64": "complex64",
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"{kind}{bits}": f"{name}{bits}" for kind, name in [("I", "int"), ("U", "uint")] for bits in (8, 16, 32, 64)},
}
_WRITABLE: Final = frozenset(_DTYPES.values())


def save_safetensors(file: Any, obj: Any) -> None:
    """Save an object to a safetensors file.

    Names are those of npz files: ``l1/W``. The header's metadata say ``format: kusari``, how Sequentials are numbered
    and, in JSON, which entries stand for None or are texts in UTF-8, and the checksum of each. A path is written as a
    whole or not at all: a crash leaves the old file.

    Args:
        file: A path, or a file opened for writing in binary.
        obj: Something with a ``serialize`` method (a link, an optimizer, a trainer), or a dict of arrays, numbers,
            strings and None.

    Raises:
        RuntimeError: The package safetensors is not installed.
        TypeError: A value that is none of these, or of a dtype that the format does not have (complex128, say).

    >>> import io
    >>> file, model = io.BytesIO(), L.Linear(3, 2)
    >>> save_safetensors(file, model)
    >>> other = L.Linear(3, 2)
    >>> load_safetensors(file, other)
    >>> bool((other.W.array == model.W.array).all())
    True
    """
    library = optional_module("safetensors.numpy", "safetensors", "this format")
    arrays, numbering = flattened(obj)
    tensors = {name: _tensor(name, array) for name, array in arrays.items()}
    kinds = {name: {"O": "none", "U": "text"}.get(array.dtype.kind, "array") for name, array in arrays.items()}
    metadata = {
        "format": _FORMAT,
        "kinds": json.dumps({name: kind for name, kind in kinds.items() if kind != "array"}),
        "crc32": json.dumps({name: _checksum(tensor, kinds[name]) for name, tensor in tensors.items()}),
    }
    if numbering is not None:
        metadata[NUMBERING] = numbering
    data = library.save(tensors, metadata)
    if isinstance(file, str | os.PathLike):
        with replacing(file) as opened:
            opened.write(data)
    else:
        file.write(data)


def _tensor(name: str, array: HostArray) -> HostArray:
    """Return an array as it is stored.

    Raises:
        TypeError: The format has no such type.
    """
    if array.dtype.hasobject:
        return np.zeros(0, np.uint8)
    if array.dtype.kind == "U" and array.shape == ():
        return np.frombuffer(array.item().encode(), np.uint8)
    if array.dtype.name not in _WRITABLE:
        raise TypeError(f"{name!r}: safetensors files have no {array.dtype} of shape {array.shape}; use save_npz()")
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")


def _checksum(tensor: HostArray, kind: str) -> int:
    """Return the CRC-32 of kind, dtype, shape and elements: the format has no checksums of its own."""
    little = tensor if tensor.dtype.name == "bfloat16" else tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
    return zlib.crc32(little.tobytes(), zlib.crc32(f"{kind} {tensor.dtype.name} {tensor.shape}".encode()))


def load_safetensors(file: Any, obj: Any, path: str = "", strict: bool = True, ignore_names: Names = None) -> None:
    """Load an object from a safetensors file.

    The load is rehearsed first: when the file is damaged, or does not fit, the object stays as it was. Files of other
    programs load, too, where their names are those of the object.

    Args:
        file: A path, or a seekable file opened for reading in binary.
        obj: Something with a ``serialize`` method. Its arrays are filled in place, in their own dtype.
        path: Where in the file its values are, with the final slash: ``updater/model:main/``.
        strict: Raise where a value is missing. False: it keeps what it has.
        ignore_names: Names in the file, or functions of a name, of values to leave alone; one, or several.

    Raises:
        RuntimeError: The package safetensors is not installed.
        KeyError: A value is missing in the file.
        ValueError: Another shape, a damaged file, or ``ignore_names`` of another type.
        TypeError: A dtype that does not fit: floating numbers for an integer array, say.
    """
    values = _TensorFile(file)
    load_whole(FlatDeserializer(values, path, strict, ignore_names), obj, values.numbering)


class _TensorFile(Mapping[str, Stored | None]):
    """The tensors of a file by name."""

    def __init__(self, file: Any) -> None:
        library = optional_module("safetensors", "safetensors", "this format")
        if isinstance(file, str | os.PathLike):
            self.name = os.fspath(file)
            with open(file, "rb") as opened:
                data, header = self._read(opened)
        else:
            self.name = str(getattr(file, "name", None) or "safetensors file")
            file.seek(0)
            data, header = self._read(file)
        try:
            self._tensors = dict(library.deserialize(data))
            metadata = json.loads(header).get("__metadata__") or {}
            self._kinds: dict[str, str] = {}
            self._checksums: dict[str, int] | None = None
            self.numbering: str | None = metadata.get(NUMBERING)
            if not metadata.keys().isdisjoint({"kinds", "crc32", NUMBERING}):
                if metadata.get("format") != _FORMAT:
                    raise ValueError(f"format {metadata.get('format')!r}")
                self._kinds = dict(json.loads(metadata["kinds"]))
                self._checksums = dict(json.loads(metadata["crc32"]))
        except Exception as error:  # the library has an error of its own; a hostile header may raise others
            raise ValueError(f"{self.name}: not a safetensors file, or a damaged one ({error})") from error

    def _read(self, file: Any) -> tuple[bytes, bytes]:
        """Return the whole file and its header, once the header's length is known to be sound."""
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > _LONGEST_HEADER:
            raise ValueError(f"{self.name}: not a safetensors file: a header of {length} bytes")
        header = file.read(length)
        return start + header + file.read(), header

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __getitem__(self, name: str) -> Stored | None:
        """Return a tensor; None for None.

        Raises:
            KeyError: There is none of that name.
            ValueError: It is of a type that NumPy does not have, or damaged.
        """
        tensor = self._tensors[name]
        if tensor["dtype"] not in _DTYPES:
            raise ValueError(f"{self.name}: {name!r} is of type {tensor['dtype']}, which is not supported")
        try:
            array, kind = self._array(tensor), self._kinds.get(name, "array")
            if self._checksums is not None and self._checksums.get(name) != _checksum(array, kind):
                raise ValueError("its checksum is another")
            if kind == "none":
                return None
            return InMemory(name, np.asarray(array.tobytes().decode()) if kind == "text" else array)
        except ValueError as error:
            raise ValueError(f"{self.name}: {name!r} cannot be read, the file is damaged: {error}") from error

    def _array(self, tensor: dict[str, Any]) -> HostArray:
        dtype = host_dtype(_DTYPES[tensor["dtype"]])
        little = dtype if dtype.name == "bfloat16" else dtype.newbyteorder("<")
        return decoded(np.frombuffer(tensor["data"], little).reshape(tensor["shape"]))
