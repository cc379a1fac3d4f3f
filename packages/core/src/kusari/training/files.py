"""Small text files that are written again and again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable


def write_text(path: str, parts: Iterable[str]) -> None:
    """Write a file so that whoever reads it finds the old text or the new one.

    Not forced to the disk, as snapshots are: that takes milliseconds, and a log follows from a snapshot.

    Args:
        path: There is one writer of it.
        parts: The text in pieces.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.writelines(parts)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
