"""The log as a table on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from kusari.training.console import write_line
from kusari.training.extension import Extension
from kusari.training.extensions.log_report import LogReport

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer

_NARROWEST = 10


class PrintReport(Extension):
    """Print a line for each new entry of the log: chosen values under their names.

    A resumed run prints the lines of the run before it, too.

    Args:
        entries: The names of the values, in the order of the columns; one that an entry lacks stays blank.
        log_report: The `LogReport`, or its name in the trainer.
        out: Where to print. Default: the standard output.
    """

    def __init__(
        self, entries: Sequence[str], log_report: str | LogReport = "LogReport", out: TextIO | None = None
    ) -> None:
        self._entries = list(entries)
        self._log_report = log_report
        self._out = out
        self._printed = 0
        self._widths = [max(_NARROWEST, len(name)) for name in self._entries]

    def initialize(self, trainer: Trainer) -> None:
        find_log(trainer, self._log_report, type(self).__name__)

    def __call__(self, trainer: Trainer) -> None:
        report = find_log(trainer, self._log_report, type(self).__name__)
        if isinstance(self._log_report, LogReport):
            report(trainer)  # nobody else calls it
        log = report.log
        if self._printed == 0 and log:
            self._print(self._entries)
        for row in self.rows(log[self._printed :]):
            self._print(row)
        self._printed = len(log)

    def rows(self, log: Sequence[Mapping[str, Any]]) -> list[list[str]]:
        """Return entries of the log as texts, one for each column."""
        return [[_text(entry.get(name)) for name in self._entries] for entry in log]

    def _print(self, cells: Sequence[str]) -> None:
        write_line("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, self._widths, strict=True)), self._out)

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the log, if it is this extension's own."""
        if isinstance(self._log_report, LogReport):
            self._log_report.serialize(serializer["_log_report"])


def find_log(trainer: Trainer, log_report: str | LogReport, who: str) -> LogReport:
    """Return the log to read.

    Raises:
        ValueError: The trainer has no extension of that name, or it is no `LogReport`.
    """
    if isinstance(log_report, LogReport):
        return log_report
    found = trainer.get_extension(log_report)
    if not isinstance(found, LogReport):
        raise ValueError(f"{who}: the extension {log_report!r} is a {type(found).__name__}; expected a LogReport")
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
