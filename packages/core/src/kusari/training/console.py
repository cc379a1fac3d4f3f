"""Text for whoever watches: on a terminal, bars that stay below the lines; elsewhere plain lines."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_screens: Final[weakref.WeakKeyDictionary[TextIO, Screen]] = weakref.WeakKeyDictionary()


class Screen:
    """A terminal: lines above, bars below. Bars are there from the first one's start to the last one's end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None

    def print(self, line: str) -> None:
        """Print a line above the bars."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def start_bar(self, description: str, length: int) -> TaskID:
        """Show another bar, of so many characters, and return its number."""
        if self._progress is None:
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            columns = (
                TextColumn("{task.description:>10}"),
                BarColumn(bar_width=length),
                TaskProgressColumn("{task.percentage:6.2f}%"),
                TextColumn("{task.fields[note]}"),
            )
            # Drawn when told, not by a thread.
            self._progress = Progress(*columns, console=self._console, auto_refresh=False, transient=True)
            self._progress.start()
        return self._progress.add_task(description, total=1.0, note="")

    def move_bar(self, bar: TaskID, done: float, note: str = "") -> None:
        """Draw a bar that is done to this part, from 0 to 1."""
        if self._progress is not None:
            self._progress.update(bar, completed=done, note=note, refresh=True)

    def end_bar(self, bar: TaskID) -> None:
        """Take a bar away."""
        if self._progress is None:
            return
        self._progress.remove_task(bar)
        if not self._progress.task_ids:
            self._progress.stop()
            self._progress = None


def screen(out: TextIO | None = None) -> Screen | None:
    """Return the terminal behind a text file; None where there is none.

    Args:
        out: Default: the standard output.
    """
    out = sys.stdout if out is None else out
    # While there are bars, rich puts a proxy in the place of sys.stdout, so that what others print goes above them.
    out = getattr(out, "rich_proxied_file", out)
    found = _screens.get(out)
    if found is None:
        if not out.isatty():
            return None
        from rich.console import Console  # 40 ms, which a run without a terminal can do without

        found = _screens[out] = Screen(Console(file=out, force_terminal=True))
    return found


def write_line(line: str, out: TextIO | None = None) -> None:
    """Write a line at once: above the bars on a terminal."""
    terminal = screen(out)
    if terminal is not None:
        terminal.print(line)
    else:
        print(line, file=out, flush=True)
