"""Files that list what a backend cannot do yet (with the reason), and which implementations it must choose."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One line of a file: what it names, what it says of it, and where it stands."""

    name: str
    text: str
    where: str


def read_xfails(path: Path) -> list[Entry]:
    """Return the entries ``part of a test's id  # reason`` of a file; empty lines and lines of ``#`` are skipped.

    Raises:
        ValueError: An entry without a reason, or one that is listed twice.
    """
    entries: list[Entry] = []
    for where, line in _lines(path):
        name, mark, reason = line.partition(" #")
        if not mark or not reason.strip():
            raise ValueError(f"{where}: no reason; write: {line.partition('#')[0].strip()}  # why it cannot work yet")
        if any(entry.name == name.strip() for entry in entries):
            raise ValueError(f"{where}: {name.strip()!r} is listed twice")
        entries.append(Entry(name.strip(), reason.strip(), where))
    return entries


def read_expectations(path: Path) -> list[Entry]:
    """Return the entries ``kernel  implementation`` or ``family:label:dtype  implementation`` of a file.

    Raises:
        ValueError: A line of another form.
    """
    entries = []
    for where, line in _lines(path):
        words = line.partition(" #")[0].split()
        if len(words) != 2:
            raise ValueError(
                f"{where}: expected a kernel, or family:label:dtype, and the name of an implementation "
                f"(a function's, a class's, or compiled, portable, host); found {line!r}"
            )
        entries.append(Entry(words[0], words[1], where))
    return entries


def _lines(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        (f"{path.name}:{number}", line.strip())
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#")
    ]
