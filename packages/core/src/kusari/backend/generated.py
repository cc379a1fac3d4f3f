"""Files of generated source, for compilers that read a function's source from its file or keep results beside it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def cache_folder(owner: str) -> Path:
    """Return where a backend keeps generated modules: in ``$KUSARI_CACHE``, else ``kusari`` in the user's cache folder.

    Args:
        owner: The folder's name there.
    """
    chosen = os.environ.get("KUSARI_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kusari"
    return base / owner


def source_file(folder: Path, name: str, source: str) -> Path:
    """Return a file named after its content that holds ``source``; one with other content is written anew.

    Equal sources share a file, across processes too: it is renamed into place, so that others see all of it or none.

    Args:
        folder: It is made where it is missing.
        name: A word for the file's name, so that tracebacks and profiles can be read.
        source: The text of the module.

    Raises:
        OSError: The folder cannot be made or written.
    """
    path = folder / f"{name}_{hashlib.sha256(source.encode()).hexdigest()[:16]}.py"
    if _holds(path, source):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=path.stem, suffix=".tmp", delete=False
    ) as file:
        file.write(source)
    Path(file.name).replace(path)
    return path


def _holds(path: Path, source: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == source
    except (OSError, UnicodeDecodeError):
        return False
