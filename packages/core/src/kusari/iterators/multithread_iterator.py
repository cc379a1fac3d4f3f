"""Fetching each batch in threads, one batch ahead."""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING, Any

from kusari.iterators.batch_iterator import PrefetchingIterator, fetch

if TYPE_CHECKING:
    from kusari.iterators.order_samplers import SampleOrder
    from kusari.iterators.progress import Step


class MultithreadIterator(PrefetchingIterator):
    """Return the examples of a dataset in batches that threads fetch, one batch ahead.

    Good for datasets that wait (for files, a network) or whose work releases Python's lock, as image decoders do.
    What the dataset draws from NumPy's or Python's own random streams depends on how the threads take turns;
    `MultiprocessIterator` repeats that, too.

    Args:
        dataset: Anything with ``len(dataset)`` and ``dataset[index]``, called from several threads at once.
        batch_size: Number of examples.
        repeat: Start anew after each epoch; a batch may span two. False: stop after one, with a shorter last batch.
        shuffle: Order the examples at random. Default: yes, unless there is an ``order_sampler``.
        n_threads: How many threads share the work of a batch.
        order_sampler: An `OrderSampler`, or a function such as one.

    Raises:
        ValueError: Both ``shuffle`` and ``order_sampler`` given, or a batch size or number of threads below 1.

    >>> with MultithreadIterator("abcde", 2, repeat=False, shuffle=False, n_threads=2) as iterator:
    ...     list(iterator)
    [['a', 'b'], ['c', 'd'], ['e']]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        repeat: bool = True,
        shuffle: bool | None = None,
        n_threads: int = 1,
        order_sampler: SampleOrder | None = None,
    ) -> None:
        if n_threads < 1:
            raise ValueError(f"n_threads={n_threads}: expected 1 or more")
        super().__init__(
            n_prefetch=1,
            dataset=dataset,
            batch_size=batch_size,
            repeat=repeat,
            shuffle=shuffle,
            order_sampler=order_sampler,
        )
        self.n_threads = n_threads
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None

    def _start(self, step: Step) -> list[concurrent.futures.Future[list[Any]]]:
        if self._threads is None:
            self._threads = concurrent.futures.ThreadPoolExecutor(self.n_threads, "kusari-iterator")
        share = -(-len(step.indices) // self.n_threads)
        return [
            self._threads.submit(_fetch_all, self.dataset, step.indices[start : start + share])
            for start in range(0, len(step.indices), share)
        ]

    def _finish(self, ticket: list[concurrent.futures.Future[list[Any]]]) -> list[Any]:
        return [example for future in ticket for example in future.result()]

    def _cancel(self, tickets: list[Any]) -> None:
        for ticket in tickets:
            for future in ticket:
                future.cancel()

    def finalize(self) -> None:
        """End the threads, after the examples that they are at. A later batch starts new ones."""
        self._stop_ahead()
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def __copy__(self) -> MultithreadIterator:
        return self._copy(_threads=None)


def _fetch_all(dataset: Any, indices: list[int]) -> list[Any]:
    return [fetch(dataset, index) for index in indices]
