"""Progress and log in a notebook. Needs the package IPython."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kusari.serializers.optional import optional_module
from kusari.training.extensions.log_report import LogReport
from kusari.training.extensions.print_report import PrintReport, find_log
from kusari.training.extensions.progress_bar import ProgressBar

if TYPE_CHECKING:
    from kusari.training.trainer import Trainer


class _Display:
    """A place below the cell whose HTML can be changed."""

    def __init__(self, who: str) -> None:
        self._module = optional_module("IPython.display", "notebook", who)
        self._handle: Any = None

    def show(self, text: str) -> None:
        content = self._module.HTML(text)
        if self._handle is None:
            self._handle = self._module.display(content, display_id=True)
        else:
            self._handle.update(content)


class PrintReportNotebook(PrintReport):
    """Show the log as a table that grows below the cell of a notebook.

    Args:
        entries: The names of the values, in the order of the columns.
        log_report: The `LogReport`, or its name in the trainer.
    """

    def __init__(self, entries: Sequence[str], log_report: str | LogReport = "LogReport") -> None:
        super().__init__(entries, log_report)
        self._display: _Display | None = None

    def initialize(self, trainer: Trainer) -> None:
        super().initialize(trainer)
        self._display = _Display("PrintReportNotebook")

    def __call__(self, trainer: Trainer) -> None:
        report = find_log(trainer, self._log_report, type(self).__name__)
        if isinstance(self._log_report, LogReport):
            report(trainer)
        if self._display is not None and len(report.log) > self._printed:
            self._printed = len(report.log)
            self._display.show(_table(self._entries, self.rows(report.log)))


class ProgressBarNotebook(ProgressBar):
    """Show how far the training is below the cell of a notebook.

    Args:
        training_length: ``(20, "epoch")``. Default: what the trainer's stop trigger says, if it does.
        update_interval: In how many iterations it is shown once.
    """

    def __init__(self, training_length: tuple[float, str] | None = None, update_interval: int = 100) -> None:
        super().__init__(training_length, update_interval)
        self._display: _Display | None = None

    def initialize(self, trainer: Trainer) -> None:
        self._display = _Display("ProgressBarNotebook")

    def draw(self, total: float | None, this_epoch: float, where: str, speed: str) -> None:
        if self._display is not None:
            self._display.show(
                f"total {_bar(total or 0.0)} {html.escape(where)}<br>this epoch {_bar(this_epoch)} {html.escape(speed)}"
            )


def _bar(part: float) -> str:
    return f'<progress value="{part:.4f}" max="1"></progress> {part:.2%}'


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line(names, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"
