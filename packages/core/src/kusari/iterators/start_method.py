"""How worker processes are started."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def context() -> BaseContext:
    """Return what makes processes: as ``multiprocessing.set_start_method`` said, else a fork server, else spawn.

    Not a fork of this process: what it has of threads, locks and GPUs would not survive. The fork server is a small
    process that has imported Kusari once; a worker forked from it is there in 20 ms, a spawned one in a second.
    """
    chosen = multiprocessing.get_start_method(allow_none=True)
    if chosen is not None:
        return multiprocessing.get_context(chosen)
    if "forkserver" not in multiprocessing.get_all_start_methods():
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
