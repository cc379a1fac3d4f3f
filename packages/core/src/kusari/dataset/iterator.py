"""Iterator: what returns batches."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self


class Iterator:
    """Base of what returns one batch after the other.

    Define ``__next__``, which returns a list of examples or raises StopIteration. Trainers also read ``epoch``,
    ``epoch_detail`` and ``is_new_epoch``, and evaluators call ``reset()``: define what you have of these.

    >>> class Countdown(Iterator):
    ...     epoch = 0
    ...
    ...     def __next__(self):
    ...         self.epoch += 1
    ...         return [3, 2, 1]
    >>> Countdown().next()
    [3, 2, 1]
    """

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __next__()")

    def next(self) -> Any:
        """Return the next batch: what ``next(iterator)`` does."""
        return self.__next__()

    def finalize(self) -> None:
        """Give back what the iterator holds: threads, processes, files. Default: nothing to do."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.finalize()

    def serialize(self, serializer: Any) -> None:
        """Save or load where the iterator stands. Default: it has no state."""
