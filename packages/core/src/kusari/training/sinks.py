"""Sinks: where reported numbers go besides the log."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from kusari.serializers.optional import optional_module
from kusari.training.files import write_text


class Sink(Protocol):
    """What takes reported numbers: three methods, and any experiment logger is one."""

    def open(self, out: str, iteration: int) -> None:
        """Begin.

        Args:
            out: The trainer's output folder.
            iteration: Where the run begins; more than 0 in a resumed one. What was written for later iterations, by
                the run that is resumed, is void.
        """

    def write(self, iteration: int, values: Mapping[str, float]) -> None:
        """Take the numbers of one iteration, by name."""

    def close(self) -> None:
        """End."""


class JsonLines:
    """Append a line of JSON for each entry: ``{"iteration": 100, "main/loss": 0.5}``.

    Args:
        filename: In the output folder.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sink = JsonLines()
    ...     sink.open(folder, iteration=0)
    ...     sink.write(1, {"main/loss": 0.5})
    ...     sink.close()
    ...     print(pathlib.Path(folder, "log.jsonl").read_text().strip())
    {"iteration": 1, "main/loss": 0.5}
    """

    def __init__(self, filename: str = "log.jsonl") -> None:
        self._filename = filename
        self._file: TextIO | None = None

    def open(self, out: str, iteration: int) -> None:
        """Open the file, and remove entries from after ``iteration``, and a line that was cut off."""
        path = os.path.join(out, self._filename)
        kept = _entries_until(path, iteration) if iteration > 0 else []
        write_text(path, kept)
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115  # close() closes it

    def write(self, iteration: int, values: Mapping[str, float]) -> None:
        """Append a line."""
        if self._file is None:
            raise RuntimeError("JsonLines.write() comes after open()")
        self._file.write(json.dumps({"iteration": iteration, **values}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _entries_until(path: str, iteration: int) -> list[str]:
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if line.endswith("\n")]
    return [line for line in lines if json.loads(line)["iteration"] <= iteration]


class TensorBoard:
    """Write event files for TensorBoard. Needs the package tensorboardX.

    Args:
        folder: In the output folder.
    """

    def __init__(self, folder: str = "tensorboard") -> None:
        self._folder = folder
        self._writer: Any = None

    def open(self, out: str, iteration: int) -> None:
        """Open an event file that replaces what was written for later iterations.

        Raises:
            RuntimeError: tensorboardX is not installed.
        """
        library = optional_module("tensorboardX", "tensorboard", "the sink TensorBoard")
        purge = iteration + 1 if iteration > 0 else None
        self._writer = library.SummaryWriter(os.path.join(out, self._folder), purge_step=purge)

    def write(self, iteration: int, values: Mapping[str, float]) -> None:
        """Write one number each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, iteration)

    def close(self) -> None:
        """Write what waits, and close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
