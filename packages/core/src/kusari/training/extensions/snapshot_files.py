"""The snapshots in a folder, found by the format of their names."""

from __future__ import annotations

import contextlib
import os
import re
import string
import time
from typing import Final

_LEFT_BEHIND: Final = 3600
"""Seconds after which an unfinished file counts as left behind by a run that was killed."""


class SnapshotFiles:
    """The files in a folder whose names a format string may have made.

    Args:
        folder: Where they are.
        form: The format string: ``snapshot_iter_{.updater.iteration}``.
    """

    def __init__(self, folder: str, form: str) -> None:
        self._folder = folder
        parts = []
        for literal, field, _, _ in string.Formatter().parse(form):
            parts.append(re.escape(literal))
            if field is not None:
                parts.append("([^/]+?)")
        self._pattern = re.compile("".join(parts))
        self._unfinished = re.compile(rf"\.{self._pattern.pattern}\.[0-9a-f]{{8}}\.tmp")

    def names(self) -> list[str]:
        """Return the names of the complete ones, the oldest first.

        What counts is when they were written: a run from the beginning may follow one that went further. Within the
        clock's resolution, the numbers in their names decide.
        """
        found = []
        for entry in os.scandir(self._folder):
            match = self._pattern.fullmatch(entry.name)
            if match is not None and entry.is_file():
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    numbers = tuple(float(text) for text in re.findall(r"\d+", " ".join(match.groups())))
                    found.append((entry.stat().st_mtime_ns, numbers, entry.name))
        return [name for _, _, name in sorted(found)]

    def keep(self, count: int) -> None:
        """Remove all but so many, the newest."""
        for name in self.names()[:-count]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._folder, name))

    def remove_leftovers(self) -> None:
        """Remove unfinished files that a killed run left behind: they would fill the disk one by one."""
        for entry in os.scandir(self._folder):
            if self._unfinished.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat().st_mtime > _LEFT_BEHIND:
                        os.unlink(entry.path)
