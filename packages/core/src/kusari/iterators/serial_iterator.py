"""Fetching each batch in the caller's own thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.iterators.batch_iterator import BatchIterator, fetch

if TYPE_CHECKING:
    from kusari.iterators.progress import Step


class SerialIterator(BatchIterator):
    """Return the examples of a dataset in batches, one after the other.

    Args:
        dataset: Anything with ``len(dataset)`` and ``dataset[index]``.
        batch_size: Number of examples.
        repeat: Start anew after each epoch; a batch may span two. False: stop after one, with a shorter last batch.
        shuffle: Order the examples at random. Default: yes, unless there is an ``order_sampler``.
        order_sampler: An `OrderSampler`, or a function such as one.

    Raises:
        ValueError: Both ``shuffle`` and ``order_sampler`` given, or a batch size below 1.

    >>> iterator = SerialIterator("abcde", 2, shuffle=False)
    >>> [next(iterator) for _ in range(3)]
    [['a', 'b'], ['c', 'd'], ['e', 'a']]
    >>> iterator.epoch, iterator.is_new_epoch, iterator.epoch_detail
    (1, True, 1.2)
    """

    def _next_batch(self) -> tuple[Step, list[Any]]:
        step = self._course.step(self._progress, self.batch_size)
        if step is None:
            raise StopIteration
        return step, [fetch(self.dataset, index) for index in step.indices]
