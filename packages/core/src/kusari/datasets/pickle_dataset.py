"""Objects in one file, by number."""

from __future__ import annotations

import os
import pickle
import threading
from typing import IO, Any

from kusari.dataset.dataset_mixin import DatasetMixin


class PickleDatasetWriter:
    """Write objects into a file that `PickleDataset` reads.

    Args:
        writer: A file opened for writing in binary.
        protocol: The pickle protocol.
    """

    def __init__(self, writer: IO[bytes], protocol: int = pickle.HIGHEST_PROTOCOL) -> None:
        self._writer = writer
        self._protocol = protocol

    def write(self, x: Any) -> None:
        """Write one object."""
        pickle.dump(x, self._writer, protocol=self._protocol)

    def flush(self) -> None:
        """Hand what is buffered to the operating system."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def __enter__(self) -> PickleDatasetWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PickleDataset(DatasetMixin):
    """Have the objects that a `PickleDatasetWriter` wrote, each read when it is asked for.

    The file is gone through once, when the dataset is made. **Unpickling runs what the file says**: open only files
    that you trust. A pickled dataset opens its file anew, which must have a path and must not have changed.

    Args:
        reader: A seekable file opened for reading in binary.
    """

    def __init__(self, reader: IO[bytes]) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._places = []
        end = reader.seek(0, os.SEEK_END)
        reader.seek(0)
        while (place := reader.tell()) < end:
            self._places.append(place)
            pickle.load(reader)

    def __len__(self) -> int:
        return len(self._places)

    def get_example(self, i: int) -> Any:
        with self._lock:
            self._reader.seek(self._places[i])
            return pickle.load(self._reader)

    def close(self) -> None:
        """Close the file. No object can be read afterwards."""
        self._reader.close()

    def __enter__(self) -> PickleDataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        name = getattr(self._reader, "name", None)
        if not isinstance(name, str | os.PathLike):
            raise TypeError("a PickleDataset without a path cannot be pickled; make it with open_pickle_dataset(path)")
        return {"_places": self._places, "path": os.path.abspath(name)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._places = state["_places"]
        self._lock = threading.Lock()
        self._reader = open(state["path"], "rb")  # noqa: SIM115 - close() closes it


def open_pickle_dataset(path: str | os.PathLike[str]) -> PickleDataset:
    """Open a file of objects for reading.

    Args:
        path: A file that `open_pickle_dataset_writer` made, and that you trust.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "objects.pkl")
    >>> with open_pickle_dataset_writer(path) as writer:
    ...     writer.write((1, 2.0, "hello"))
    ...     writer.write((2, 3.0, "good-bye"))
    >>> with open_pickle_dataset(path) as dataset:
    ...     dataset[1]
    (2, 3.0, 'good-bye')
    """
    reader = open(path, "rb")  # noqa: SIM115 - the dataset closes it
    try:
        return PickleDataset(reader)
    except BaseException:
        reader.close()
        raise


def open_pickle_dataset_writer(
    path: str | os.PathLike[str], protocol: int = pickle.HIGHEST_PROTOCOL
) -> PickleDatasetWriter:
    """Open a file of objects for writing.

    Args:
        path: It is made anew.
        protocol: The pickle protocol.
    """
    return PickleDatasetWriter(open(path, "wb"), protocol)
