"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file to be written in a ``with`` block; it takes the place of ``path`` when the block ends well.

    It is written beside ``path``, forced to the disk and renamed: whoever reads ``path``, after a crash too, finds the
    old file or the new one. When the block raises, the old one stays. Within the block it can be read, too.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "numbers")
    ...     with replacing(path) as file:
    ...         count = file.write(b"123")
    ...     path.read_bytes()
    b'123'
    """
    with replacing_path(path) as temporary, open(temporary, "x+b") as file:
        yield file


@contextlib.contextmanager
def replacing_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """Do as `replacing` does for code that wants a path: what it writes there takes the place of ``path``."""
    target = os.path.realpath(path)  # of a link, the file that it points to
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Force the renaming to the disk, where folders can be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
