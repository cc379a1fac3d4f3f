"""Generated loops: kept in files, because numba keeps what it compiled beside a function's file."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return where generated modules are kept: ``$KUSARI_CACHE``, else ``kusari`` in the user's cache folder."""
    chosen = os.environ.get("KUSARI_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kusari"
    return base / "numpy"


def load_loop(name: str, source: str) -> Callable[..., None]:
    """Return the function ``loop`` of a module of generated source.

    Equal sources share a file, across processes too. Where no file can be written the loop is compiled for this
    process alone, and the log says why.

    Args:
        name: A word for the file's name, so that profiles can be read.
        source: The text of the module, with ``loop`` undecorated.
    """
    from kusari_numpy.compiled.options import elementwise_jit, elementwise_jit_uncached

    path = cache_folder() / f"{name}_{hashlib.sha256(source.encode()).hexdigest()[:16]}.py"
    try:
        if not path.exists() or path.read_text(encoding="utf-8") != source:
            _write(path, source)
        spec = importlib.util.spec_from_file_location(f"kusari_numpy.generated_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # numba asks for it by name when it loads what it compiled
        spec.loader.exec_module(module)
        return elementwise_jit(module.loop)
    except (OSError, RuntimeError) as error:  # numba's own: no place to cache
        _log.info("%s is compiled for this process alone: %s", name, error)
        space: dict[str, Any] = {}
        exec(compile(source, f"<loop {name}>", "exec"), space)
        return elementwise_jit_uncached(space["loop"])


def _write(path: Path, source: str) -> None:
    """Write by renaming, so that a process that reads meanwhile sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=path.stem, suffix=".tmp", delete=False
    ) as file:
        file.write(source)
    Path(file.name).replace(path)
