"""Work in the background, in one thread or one other process, that Ctrl-C does not cut short."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import resource_tracker
from typing import Any, Final


def thread_pool() -> Executor:
    """Return an executor with one thread."""
    return ThreadPoolExecutor(1, thread_name_prefix="snapshot")


def child_pool() -> Executor:
    """Return an executor with one other process, started anew when the first work comes.

    Not forked: a copy of a process with threads, such as those of BLAS, may wait for ever for a lock that nobody holds.
    """
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin_child)


_busy: Final = threading.Lock()


def _begin_child() -> None:
    """In the child: ignore Ctrl-C, which is for the training, and end when the training's process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    with _busy:  # what is being written is written to its end
        os._exit(1)


def _busily(work: Callable[..., Any], *args: Any) -> Any:
    with _busy:
        return work(*args)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back within the block; processes started there begin so, and are not killed before they are ready."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it changes the mask itself when it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def submit(pool: Executor, work: Callable[..., Any], *args: Any) -> Future[Any]:
    """Hand work to an executor."""
    with _interrupts_held():
        if isinstance(pool, ProcessPoolExecutor):
            return pool.submit(_busily, work, *args)
        return pool.submit(work, *args)


def result_of(future: Future[Any]) -> Any:
    """Wait for work, and return its result or raise its error.

    Raises:
        RuntimeError: The process ended.
    """
    try:
        return future.result()
    except BrokenExecutor as error:
        raise RuntimeError(
            "the process that writes snapshots ended before it was done: it was killed, or could not be started, for "
            'which the program needs `if __name__ == "__main__":` around what it does'
        ) from error


class Worker:
    """One piece of work, with the methods of a thread."""

    def __init__(self, pool: Executor, work: Callable[..., Any], *args: Any) -> None:
        self._pool = pool
        self._work = work
        self._args = args
        self._future: Future[Any] | None = None

    def start(self) -> None:
        """Begin."""
        self._future = submit(self._pool, self._work, *self._args)
        self._args = ()  # the arrays go as soon as they are written

    def join(self) -> None:
        """Wait for the end; raise what went wrong."""
        if self._future is not None:
            result_of(self._future)


class PooledQueue:
    """An executor with the methods of a queue, and of the consumer that empties it."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._waiting: list[Future[Any]] = []

    @property
    def consumer(self) -> PooledQueue:
        """What does the work: the executor itself."""
        return self

    def put(self, item: tuple[Any, ...] | None) -> None:
        """Hand in ``(task, *arguments)``; None: that was the last."""
        if item is not None:
            self._waiting.append(submit(self._pool, *item))

    def start(self) -> None:
        """Begin: nothing to do."""

    def join(self) -> None:
        """Wait until everything is done."""
        self._pool.shutdown(wait=True)

    def check(self) -> None:
        """Raise what went wrong in the work that is done; the first error, once."""
        done = [future for future in self._waiting if future.done()]
        self._waiting = [future for future in self._waiting if not future.done()]
        errors: list[BaseException] = []
        for future in done:
            try:
                result_of(future)
            except Exception as error:  # noqa: BLE001  # the first is raised, the others are noted on it
                errors.append(error)
        for another in errors[1:]:
            errors[0].add_note(f"another snapshot failed, too: {type(another).__name__}: {another}")
        if errors:
            raise errors[0]
