"""Live progress: a bar and a growing table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table


class Progress:
    """Show one line an epoch."""

    def __init__(self, epochs: int, title: str) -> None:
        self._console = Console()
        self._bar = ProgressBar(total=epochs, width=60)
        self._table = Table("epoch", "loss", "test accuracy", "seconds", title=title, title_justify="left")
        self._live = Live(self._table, console=self._console) if self._console.is_terminal else None
        self._title = title

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        else:
            print(self._title, flush=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def report(self, epoch: Any) -> None:
        """Show an epoch's figures."""
        figures = (f"{epoch.number}", f"{epoch.loss:.4f}", f"{epoch.test_accuracy:.4f}", f"{epoch.seconds:.2f}")
        if self._live is None:
            print("epoch {:>3}  loss {}  test accuracy {}  {} s".format(*figures), flush=True)
            return
        self._table.add_row(*figures)
        self._bar.update(epoch.number)
        self._live.update(Group(self._table, self._bar))
