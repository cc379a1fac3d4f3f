"""Fetching batches in worker processes."""

from __future__ import annotations

import os
import warnings
import weakref
from typing import TYPE_CHECKING, Any

from kusari.iterators.batch_iterator import PrefetchingIterator
from kusari.iterators.worker_pool import WorkerPool

if TYPE_CHECKING:
    from kusari.iterators.order_samplers import SampleOrder
    from kusari.iterators.progress import Step
    from kusari.iterators.worker_pool import Chunk


class MultiprocessIterator(PrefetchingIterator):
    """Return the examples of a dataset in batches that worker processes fetch ahead.

    The dataset is pickled once, when the first batch is asked for; its arrays are in memory once for all workers, and
    a worker's changes to them are its own. Examples come back through shared memory. Each example has random streams
    of its own (Python's, NumPy's, Kusari's), so that random changes to images are the same however many workers there
    are, and after a resume.

    Processes start from a fork server, or spawned: the dataset's class must be importable, and a script guards its
    start with ``if __name__ == "__main__":``. The environment variable ``KUSARI_START_METHOD=fork`` lifts that for
    programs that cannot, at the risk that forks have.

    Args:
        dataset: Anything with ``len(dataset)`` and ``dataset[index]`` that can be pickled.
        batch_size: Number of examples.
        repeat: Start anew after each epoch; a batch may span two. False: stop after one, with a shorter last batch.
        shuffle: Order the examples at random. Default: yes, unless there is an ``order_sampler``.
        n_processes: How many workers share the work of a batch. Default: as many as there are usable cores.
        n_prefetch: How many batches are fetched ahead.
        shared_mem: Bytes of shared memory for an example; larger ones go through a pipe. Default: what they need.
        order_sampler: An `OrderSampler`, or a function such as one.
        dataset_timeout: Seconds without an example after which `TimeoutWarning` is issued. None: never.
        maxtasksperchild: After so many parts of batches a worker is replaced by a new one. Default: never.

    Raises:
        ValueError: Both ``shuffle`` and ``order_sampler`` given, or a number below its least.

    A batch raises what the dataset raised, with a note that has the index and the worker's traceback; `WorkerDied`
    when a process ended; TypeError when the dataset cannot be pickled. The next call then tries the same batch again.

    >>> with MultiprocessIterator([1, 2, 3], 2, repeat=False, shuffle=False, n_processes=1) as iterator:
    ...     list(iterator)
    [[1, 2], [3]]
    """

    class TimeoutWarning(RuntimeWarning):
        """No example for `dataset_timeout` seconds; the text says which one hangs, and where."""

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        repeat: bool = True,
        shuffle: bool | None = None,
        n_processes: int | None = None,
        n_prefetch: int = 1,
        shared_mem: int | None = None,
        order_sampler: SampleOrder | None = None,
        dataset_timeout: float | None = 30.0,
        maxtasksperchild: int | None = None,
    ) -> None:
        least = {"n_processes": 1, "n_prefetch": 0, "shared_mem": 1, "dataset_timeout": 0, "maxtasksperchild": 1}
        given = (n_processes, n_prefetch, shared_mem, dataset_timeout, maxtasksperchild)
        for (name, lowest), value in zip(least.items(), given, strict=True):
            if value is not None and value < lowest:
                raise ValueError(f"{name}={value}: expected {lowest} or more")
        super().__init__(
            n_prefetch=n_prefetch,
            dataset=dataset,
            batch_size=batch_size,
            repeat=repeat,
            shuffle=shuffle,
            order_sampler=order_sampler,
        )
        self.n_processes = n_processes or _usable_cores()
        self.shared_mem = shared_mem
        self.dataset_timeout = dataset_timeout
        self.maxtasksperchild = maxtasksperchild
        self._pool: WorkerPool | None = None
        self._closer: weakref.finalize[Any, Any] | None = None

    def _start(self, step: Step) -> list[Chunk]:
        if self._pool is None:
            self._pool = WorkerPool(self.dataset, self.n_processes, self.shared_mem, self.maxtasksperchild)
            self._closer = weakref.finalize(self, self._pool.close)
        return self._pool.submit(step.indices, step.serials.start, self._seed)

    def _finish(self, ticket: list[Chunk]) -> list[Any]:
        assert self._pool is not None
        return self._pool.collect(ticket, self.dataset_timeout, _warn)

    def _next_batch(self) -> tuple[Step, list[Any]]:
        try:
            return super()._next_batch()
        except BaseException:
            if self._pool is not None and self._pool.broken:
                self.finalize()
            raise

    def _cancel(self, tickets: list[Any]) -> None:
        if self._pool is not None:
            self._pool.forget([chunk for ticket in tickets for chunk in ticket])

    def finalize(self) -> None:
        """End the workers and give their memory back. A later batch starts new ones."""
        self._stop_ahead()
        if self._closer is not None:
            self._closer()
        self._pool = self._closer = None

    def __copy__(self) -> MultiprocessIterator:
        return self._copy(_pool=None, _closer=None)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _warn(text: str) -> None:
    warnings.warn(
        f"{text}\nwarnings.simplefilter('error', MultiprocessIterator.TimeoutWarning) makes this an error, "
        "dataset_timeout=None keeps quiet",
        MultiprocessIterator.TimeoutWarning,
        stacklevel=6,
    )
