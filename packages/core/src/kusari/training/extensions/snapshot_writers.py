"""Writers: how snapshots get to the disk, at once or in the background.

Each writes beside the file that is meant, forces it to the disk and renames it: an earlier snapshot of that name is
there until the new one is complete. An error in the background is raised in the training at the next snapshot, or when
the run ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from kusari.serializers import save_npz
from kusari.serializers.atomic import replacing_path
from kusari.training.extensions.background import PooledQueue, Worker, child_pool, thread_pool

SaveFunction = Callable[..., Any]


def write_snapshot(filename: str, outdir: str, target: Any, savefun: SaveFunction, keywords: dict[str, Any]) -> None:
    """Write one snapshot as a whole, or raise and leave what was there.

    Args:
        filename: Its name in ``outdir``.
        outdir: The folder.
        target: What ``savefun`` takes: a dictionary of arrays.
        savefun: ``savefun(path, target, **keywords)``.
        keywords: For ``savefun``.
    """
    path = os.path.join(outdir, filename)
    try:
        with replacing_path(path) as temporary:
            savefun(temporary, target, **keywords)
    except OSError as error:
        error.add_note(f"the snapshot {path} could not be written; what was there before is unchanged")
        raise


class Writer:
    """Base of what writes snapshots. Define ``__call__``."""

    def __call__(self, filename: str, outdir: str, target: Any) -> None:
        """Write a snapshot, or see to it that it will be written.

        Args:
            filename: Its name in ``outdir``.
            outdir: The folder.
            target: A dictionary of host arrays, which nobody changes any more.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(filename, outdir, target)")

    def finalize(self) -> None:
        """Wait until everything is written; raise what went wrong. Called when the run ends."""

    def save(self, filename: str, outdir: str, target: Any, savefun: SaveFunction, **kwds: Any) -> None:
        """Write one snapshot now, as a whole or not at all."""
        write_snapshot(filename, outdir, target, savefun, kwds)


class SimpleWriter(Writer):
    """Write each snapshot at once; the training waits.

    Args:
        savefun: ``savefun(path, target, **kwds)``.
        **kwds: For ``savefun``.
    """

    def __init__(self, savefun: SaveFunction = save_npz, **kwds: Any) -> None:
        self.savefun = savefun
        self._kwds = kwds

    def __call__(self, filename: str, outdir: str, target: Any) -> None:
        self.save(filename, outdir, target, self.savefun, **self._kwds)


class StandardWriter(Writer):
    """Base of what writes each snapshot by a worker of its own; the next one waits for it.

    Define `create_worker`.

    Args:
        savefun: ``savefun(path, target, **kwds)``.
        **kwds: For ``savefun``.
    """

    def __init__(self, savefun: SaveFunction = save_npz, **kwds: Any) -> None:
        self.savefun = savefun
        self._kwds = kwds
        self._worker: Any = None

    def __call__(self, filename: str, outdir: str, target: Any) -> None:
        try:
            self._join()
        finally:  # the last one may have failed: that is no reason to lose this one
            self._worker = self.create_worker(filename, outdir, target, savefun=self.savefun, **self._kwds)
            self._worker.start()

    def create_worker(self, filename: str, outdir: str, target: Any, **kwds: Any) -> Any:
        """Return an object with ``start()`` and ``join()``; ``join`` raises what went wrong."""
        raise NotImplementedError(f"{type(self).__name__} does not define create_worker()")

    def _join(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.join()

    def finalize(self) -> None:
        self._join()


class ThreadWriter(StandardWriter):
    """Write each snapshot in a thread, while the training goes on.

    Args:
        savefun: ``savefun(path, target, **kwds)``.
        **kwds: For ``savefun``.
    """

    def __init__(self, savefun: SaveFunction = save_npz, **kwds: Any) -> None:
        super().__init__(savefun, **kwds)
        self._pool: Any = None

    def create_worker(self, filename: str, outdir: str, target: Any, **kwds: Any) -> Worker:
        """Return the work on one snapshot, to be done in the background."""
        savefun = kwds.pop("savefun", save_npz)
        if self._pool is None:
            self._pool = self._open_pool()
        return Worker(self._pool, write_snapshot, filename, outdir, target, savefun, kwds)

    def _open_pool(self) -> Any:
        return thread_pool()

    def finalize(self) -> None:
        try:
            self._join()
        finally:
            pool, self._pool = self._pool, None
            if pool is not None:
                pool.shutdown(wait=True)


class ProcessWriter(ThreadWriter):
    """Write each snapshot in another process, while the training goes on undisturbed.

    The process is started anew (not forked), so the program needs ``if __name__ == "__main__":`` around what it does,
    and ``savefun`` has to be a function that can be imported. Ctrl-C does not reach it.

    Args:
        savefun: ``savefun(path, target, **kwds)``.
        **kwds: For ``savefun``.
    """

    def _open_pool(self) -> Any:
        return child_pool()


class QueueWriter(Writer):
    """Base of what puts snapshots in a queue, from which a consumer writes one after the other.

    Define `create_queue` and `create_consumer`.

    Args:
        savefun: ``savefun(path, target)``.
        task: Called with ``(filename, outdir, target)`` instead of what `create_task` returns.
    """

    def __init__(self, savefun: SaveFunction = save_npz, task: Callable[..., Any] | None = None) -> None:
        self.savefun = savefun
        self._task = self.create_task(savefun) if task is None else task
        self._queue: Any = None
        self._consumer: Any = None

    def __call__(self, filename: str, outdir: str, target: Any) -> None:
        if self._consumer is None:
            self._queue = self.create_queue()
            self._consumer = self.create_consumer(self._queue)
            self._consumer.start()
        self._queue.put((self._task, filename, outdir, target))
        self.check()

    def create_task(self, savefun: SaveFunction) -> Callable[..., Any]:
        """Return what the consumer calls with ``(filename, outdir, target)``."""
        return SimpleWriter(savefun)

    def create_queue(self) -> Any:
        """Return an object with ``put`` and ``get``."""
        raise NotImplementedError(f"{type(self).__name__} does not define create_queue()")

    def create_consumer(self, q: Any) -> Any:
        """Return an object with ``start()`` and ``join()`` that runs `consume`."""
        raise NotImplementedError(f"{type(self).__name__} does not define create_consumer(q)")

    def consume(self, q: Any) -> None:
        """Write what comes out of the queue, until None does."""
        consume(q)

    def check(self) -> None:
        """Raise what went wrong in the background so far."""

    def finalize(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            self._queue.put(None)
            consumer.join()
            self.check()


def consume(q: Any) -> None:
    """Do the tasks that come out of a queue, until None does."""
    while (item := q.get()) is not None:
        task, *arguments = item
        task(*arguments)


class ThreadQueueWriter(QueueWriter):
    """Write snapshots in a thread, one after the other; the training never waits, and memory holds those that do.

    Args:
        savefun: ``savefun(path, target)``.
        task: Called with ``(filename, outdir, target)`` instead of saving.
    """

    def create_queue(self) -> Any:
        """Return an executor as a queue."""
        return PooledQueue(self._open_pool())

    def create_consumer(self, q: Any) -> Any:
        """Return the queue's own consumer."""
        return q.consumer

    def _open_pool(self) -> Any:
        return thread_pool()

    def check(self) -> None:
        self._queue.check()


class ProcessQueueWriter(ThreadQueueWriter):
    """Write snapshots in another process, one after the other; see `ProcessWriter` for what that needs.

    Args:
        savefun: ``savefun(path, target)``.
        task: Called with ``(filename, outdir, target)`` instead of saving.
    """

    def _open_pool(self) -> Any:
        return child_pool()
