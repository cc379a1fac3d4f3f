"""Generated Triton source: kept in files, because Triton reads a kernel's source from its file."""

from __future__ import annotations

import functools
import importlib.util
from types import ModuleType

from kusari.backend.generated import cache_folder, source_file


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
    folder = cache_folder("triton")
    try:
        path = source_file(folder, name, source)
    except OSError as error:
        raise RuntimeError(
            f"generated kernels are kept in {folder}, which cannot be written ({error}); "
            "set KUSARI_CACHE to a folder that can"
        ) from error
    spec = importlib.util.spec_from_file_location(f"kusari_triton.generated_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
