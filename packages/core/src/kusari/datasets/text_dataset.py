"""Lines of text files, by number."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from kusari.dataset.dataset_mixin import DatasetMixin


class TextDataset(DatasetMixin):
    r"""Have the lines of a text file, or the lines of several files side by side.

    Where lines begin is found when the dataset is made; the text is read when it is asked for. A pickled dataset
    keeps the places and opens the files anew: they must not have changed.

    Args:
        paths: A file: its lines, each with its line end, are the examples. A list of files: tuples of lines.
        encoding: As for `open`; one for all files, or a list.
        errors: As for `open`; one for all files, or a list.
        newline: As for `open`; one for all files, or a list.
        filter_func: Given the lines of an example, one argument per file; False leaves the example out.

    Raises:
        ValueError: No files, files with different numbers of lines, or a list of options of another length.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "lines.txt")
    >>> _ = path.write_text("one, two,\nfour,\n")
    >>> with TextDataset(path) as dataset:
    ...     len(dataset), dataset[1]
    (2, 'four,\n')
    """

    def __init__(
        self,
        paths: Any,
        encoding: str | Sequence[str | None] | None = None,
        errors: str | Sequence[str | None] | None = None,
        newline: str | Sequence[str | None] | None = None,
        filter_func: Callable[..., bool] | None = None,
    ) -> None:
        self._several = isinstance(paths, list | tuple)
        self._paths = tuple(paths) if self._several else (paths,)
        if not self._paths:
            raise ValueError("no files are given")
        options = {"encoding": encoding, "errors": errors, "newline": newline}
        self._options = [
            dict(zip(options, values, strict=True))
            for values in zip(*(self._one_each(name, value) for name, value in options.items()), strict=True)
        ]
        self._open()
        self._places = self._find_lines(filter_func)

    def _one_each(self, name: str, value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            return [value] * len(self._paths)
        if len(value) != len(self._paths):
            raise ValueError(f"{name}: {len(value)} values for {len(self._paths)} files")
        return list(value)

    def _open(self) -> None:
        self._lock = threading.Lock()
        self._files: list[TextIO] = []
        try:
            for path, options in zip(self._paths, self._options, strict=True):
                self._files.append(open(path, **options))  # noqa: SIM115 - close() closes them
        except BaseException:
            self.close()
            raise

    def _find_lines(self, filter_func: Callable[..., bool] | None) -> list[tuple[int, ...]]:
        """Return where each file's line begins, for each example."""
        places: list[tuple[int, ...]] = []
        while True:
            starts = tuple(file.tell() for file in self._files)
            lines = tuple(file.readline() for file in self._files)
            if not all(lines):
                if any(lines):
                    raise ValueError(f"files with equal numbers of lines are needed; {self._shortest(lines)} has fewer")
                return places
            if filter_func is None or filter_func(*lines):
                places.append(starts)

    def _shortest(self, lines: tuple[str, ...]) -> Any:
        self.close()
        return next(path for path, line in zip(self._paths, lines, strict=True) if not line)

    def __len__(self) -> int:
        return len(self._places)

    def get_example(self, i: int) -> str | tuple[str, ...]:
        with self._lock:
            for file, place in zip(self._files, self._places[i], strict=True):
                file.seek(place)
            lines = tuple(file.readline() for file in self._files)
        return lines if self._several else lines[0]

    def close(self) -> None:
        """Close the files. No line can be read afterwards."""
        for file in self._files:
            file.close()

    def __enter__(self) -> TextDataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_files", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()
