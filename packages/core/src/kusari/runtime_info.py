"""What this process runs on, in a few lines to paste into a report; ``kusari info`` says more."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import TextIO

from kusari.backend import get_backend, registry


def print_runtime_info(out: TextIO | None = None) -> None:
    """Print the platform, versions, and each installed backend, or why it cannot run here.

    Args:
        out: Where to; None: standard output.
    """
    lines = {
        "Platform": platform.platform(),
        "Python": platform.python_version(),
        **{name: metadata.version(name) for name in ("kusari", "numpy")},
        **{f"backend {name}": _state(name) for name in sorted(registry.specs())},
    }
    file = sys.stdout if out is None else out
    for name, text in lines.items():
        print(f"{name}: {text}", file=file)


def _state(name: str) -> str:
    try:
        backend = get_backend(name)
    except Exception as error:  # noqa: BLE001  # whatever a plugin raises is the reason why it cannot run
        return f"not available: {error}"
    module = backend.xp
    version = getattr(module, "__version__", None)
    return f"{module.__name__} {version}" if version else str(module.__name__)
