"""Generated Triton source: kept in files, because Triton reads a kernel's source from its file."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path
from types import ModuleType


def cache_folder() -> Path:
    """Return where generated modules are kept: ``$KUSARI_CACHE``, else ``kusari`` in the user's cache folder."""
    chosen = os.environ.get("KUSARI_CACHE")
    if chosen:
        return Path(chosen) / "triton"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kusari" / "triton"


@functools.lru_cache(maxsize=1024)
def load(name: str, source: str) -> ModuleType:
    """Import a module of generated source from a file named after its content.

    Equal sources share a file, across processes too; a file whose content is not the source is written anew.

    Args:
        name: A word for the file's name, so that tracebacks can be read.
        source: The text of the module.

    Raises:
        RuntimeError: The cache folder cannot be written.
    """
    path = cache_folder() / f"{name}_{hashlib.sha256(source.encode()).hexdigest()[:16]}.py"
    if not _holds(path, source):
        _write(path, source)
    spec = importlib.util.spec_from_file_location(f"kusari_triton.generated_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _holds(path: Path, source: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == source
    except (OSError, UnicodeDecodeError):
        return False


def _write(path: Path, source: str) -> None:
    """Write by renaming, so that a process that reads meanwhile sees the whole file or none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=path.stem, suffix=".tmp", delete=False
        ) as file:
            file.write(source)
        Path(file.name).replace(path)
    except OSError as error:
        raise RuntimeError(
            f"generated kernels are kept in {path.parent}, which cannot be written ({error}); "
            "set KUSARI_CACHE to a folder that can"
        ) from error
