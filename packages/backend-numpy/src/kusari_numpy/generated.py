"""Generated loops: kept in files, because numba keeps what it compiled beside a function's file."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from kusari.backend.generated import cache_folder, source_file

_log = logging.getLogger(__name__)


def load_loops(name: str, source: str) -> Mapping[str, Any]:
    """Return what is defined by a module of generated source.

    Equal sources share a file, across processes too. Where no file can be written the loops are compiled for this
    process alone, and the log says why.

    Args:
        name: A word for the file's name, so that profiles can be read.
        source: The text of the module, with functions decorated by ``jit`` and ``together``, which it does not define.
    """
    from kusari_numpy.compiled.options import EXACT_MATH, compiled
    from kusari_numpy.compiled.together import together

    def decorators(kept: bool) -> dict[str, Any]:
        return {
            "jit": partial(compiled, fastmath=EXACT_MATH, kept=kept),
            "together": partial(together, fastmath=EXACT_MATH, kept=kept),
        }

    try:
        path = source_file(cache_folder("numpy"), name, source)
        spec = importlib.util.spec_from_file_location(f"kusari_numpy.generated_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        vars(module).update(decorators(kept=True))
        sys.modules[spec.name] = module  # numba asks for it by name when it loads what it compiled
        spec.loader.exec_module(module)
        return vars(module)
    except (OSError, RuntimeError) as error:  # numba's own: no place to cache
        _log.info("%s is compiled for this process alone: %s", name, error)
        space = decorators(kept=False)
        exec(compile(source, f"<loop {name}>", "exec"), space)
        return space
