"""How worker processes are started."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from typing import Any, Final

VARIABLE: Final = "KUSARI_START_METHOD"
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def context() -> Any:
    """Return what makes processes.

    By ``KUSARI_START_METHOD``, else by what ``multiprocessing.set_start_method`` said, unless that is a fork: a fork
    does not survive this process's threads, locks and GPUs, and Python takes it for chosen once anything has used it.
    Else a fork server: a small process that has imported Kusari once. A worker forked from it is there in 20 ms, a
    spawned one in a second.

    Raises:
        ValueError: ``KUSARI_START_METHOD`` is not a start method of this operating system.
    """
    known = multiprocessing.get_all_start_methods()
    named = os.environ.get(VARIABLE)
    if named is not None and named not in known:
        raise ValueError(f"{VARIABLE}={named!r}: expected one of {', '.join(known)}")
    chosen = named or multiprocessing.get_start_method(allow_none=True)
    if named or chosen in ("spawn", "forkserver"):
        return multiprocessing.get_context(chosen)
    if "forkserver" not in known:
        return multiprocessing.get_context("spawn")
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["kusari.iterators.worker"])
    return server


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Let processes that are started now compute with one thread each, unless the environment says otherwise.

    There are as many of them as cores already; and a fork server without threads can fork safely.
    """
    added = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
