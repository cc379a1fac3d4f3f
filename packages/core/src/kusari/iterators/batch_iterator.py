"""What all iterators over a dataset share: where they stand, how that is saved, and fetching ahead."""

from __future__ import annotations

import collections
import json
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from kusari.dataset.iterator import Iterator
from kusari.iterators.order_samplers import ShuffleOrderSampler, draw_seed
from kusari.iterators.progress import Course, Progress, Step
from kusari.serializer import Deserializer

if TYPE_CHECKING:
    from kusari.iterators.order_samplers import Order, SampleOrder

_NEVER: Final = -1.0
"""What files have for a ``previous_epoch_detail`` of None."""


class BatchIterator(Iterator):
    """Return the examples of a dataset in batches, epoch by epoch.

    Subclasses say how a batch is fetched: `_next_batch`.

    Args:
        dataset: Anything with ``len(dataset)`` and ``dataset[index]``.
        batch_size: Number of examples.
        repeat: Start anew after each epoch; a batch may span two. False: stop after one, with a shorter last batch.
        shuffle: Order the examples at random. Default: yes, unless there is an ``order_sampler``.
        order_sampler: An `OrderSampler`, or a function such as one.

    Raises:
        ValueError: Both ``shuffle`` and ``order_sampler`` given, or a batch size below 1.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        repeat: bool = True,
        shuffle: bool | None = None,
        order_sampler: SampleOrder | None = None,
    ) -> None:
        if shuffle is not None and order_sampler is not None:
            raise ValueError("shuffle and order_sampler exclude each other; leave shuffle out to use the sampler")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: expected 1 or more")
        self.dataset = dataset
        self.batch_size = batch_size
        # Drawn whether or not it is needed, so that whoever draws next does not depend on these options.
        self._seed = draw_seed()
        if order_sampler is None and shuffle is not False:
            order_sampler = ShuffleOrderSampler(np.random.default_rng(self._seed))
        self.order_sampler = order_sampler
        self._course = Course(len(dataset), repeat, order_sampler)
        self._progress = self._course.beginning()

    def __next__(self) -> list[Any]:
        step, batch = self._next_batch()
        self._progress = step.after
        return batch

    def _next_batch(self) -> tuple[Step, list[Any]]:
        """Return the batch after ``self._progress``, or raise StopIteration; change nothing when it fails."""
        raise NotImplementedError(f"{type(self).__name__} does not define _next_batch()")

    def _forget_ahead(self) -> None:
        """Drop what was prepared for batches to come: the iterator is about to go elsewhere."""

    @property
    def repeat(self) -> bool:
        """Whether it starts anew after each epoch."""
        return self._course.repeat

    @property
    def current_position(self) -> int:
        """How many examples of the epoch have been returned."""
        return self._progress.position

    @property
    def epoch(self) -> int:
        """How many epochs have been completed."""
        return self._progress.epoch

    @property
    def is_new_epoch(self) -> bool:
        """Whether the last batch completed an epoch."""
        return self._progress.is_new_epoch

    @property
    def epoch_detail(self) -> float:
        """The epochs completed, the started one in proportion: 1.5 is the middle of the second."""
        return self._course.detail(self._progress)

    @property
    def previous_epoch_detail(self) -> float | None:
        """What `epoch_detail` was before the last batch; None before the first."""
        return self._progress.previous_epoch_detail

    def reset(self) -> None:
        """Go back to the beginning, with a new order."""
        self._forget_ahead()
        self._progress = self._course.beginning()

    def _restore_sampler(self, state: Any) -> None:
        set_state = getattr(self.order_sampler, "set_state", None)
        if set_state is not None and state is not None:
            set_state(state)

    def serialize(self, serializer: Any) -> None:
        """Save or load where the iterator stands: position, order and random state, so that it goes on exactly so.

        Files are the same for all iterators; what files of older programs lack stays as it is.

        Raises:
            ValueError: The saved order does not fit the dataset.
        """
        reading = isinstance(serializer, Deserializer)
        loading = reading and not serializer.rehearsing
        was, order = self._progress, self._progress.order
        previous = _NEVER if was.previous_epoch_detail is None else was.previous_epoch_detail
        position = int(serializer("current_position", was.position))
        epoch = int(serializer("epoch", was.epoch))
        is_new_epoch = bool(serializer("is_new_epoch", was.is_new_epoch))
        previous = float(_optional(serializer, ("previous_epoch_detail",), previous))
        # Handed in as None, an array comes back as the file has it, of any length, instead of overwriting ours.
        order = _optional(serializer, ("order", "_order"), None if loading else order)
        packed = _optional(serializer, ("sampler",), None if reading else _pack(was.sampler_state))
        seed = int(_optional(serializer, ("seed",), self._seed))
        if not loading:
            return
        order = self._checked(order, position)
        self._forget_ahead()
        state = was.sampler_state
        if packed is not None:
            state = json.loads(bytes(packed))
            self._restore_sampler(state)
        self._seed = seed
        self._progress = Progress(position, epoch, is_new_epoch, None if previous < 0 else previous, order, state)

    def _checked(self, order: Any, position: int) -> Order | None:
        """Return a loaded order, or the present one where the file has none.

        Raises:
            ValueError: It is not one of this dataset.
        """
        if order is None or self.order_sampler is None:
            order = self._progress.order
        size = self._course.size if order is None else len(order)
        if order is not None and size and not 0 <= order.min() <= order.max() < self._course.size:
            raise ValueError(
                f"the saved order has indices {order.min()} … {order.max()}, the dataset has {self._course.size} "
                "examples; is it the dataset that the iterator was saved with?"
            )
        if not 0 <= position <= size:
            raise ValueError(f"the saved position {position} is beyond an epoch of {size} examples")
        return None if order is None else np.array(order, dtype=np.int64)


class PrefetchingIterator(BatchIterator):
    """Fetch the next batches while the caller works with the last one.

    Subclasses define `_start`, `_finish` and `_cancel`.

    Args:
        n_prefetch: How many batches to fetch ahead of the one that is asked for.
        **options: What `BatchIterator` takes.
    """

    def __init__(self, n_prefetch: int, **options: Any) -> None:
        super().__init__(**options)
        self.n_prefetch = n_prefetch
        self._ahead: collections.deque[_Planned] = collections.deque()

    def _start(self, step: Step) -> Any:
        """Begin to fetch; return a ticket for `_finish`."""
        raise NotImplementedError(f"{type(self).__name__} does not define _start(step)")

    def _finish(self, ticket: Any) -> list[Any]:
        """Return the examples of a ticket, waiting for them."""
        raise NotImplementedError(f"{type(self).__name__} does not define _finish(ticket)")

    def _cancel(self, tickets: list[Any]) -> None:
        """Drop tickets whose batches nobody will ask for."""
        raise NotImplementedError(f"{type(self).__name__} does not define _cancel(tickets)")

    def _next_batch(self) -> tuple[Step, list[Any]]:
        last = self._ahead[-1].step.after if self._ahead else self._progress
        while len(self._ahead) <= self.n_prefetch:
            step = self._course.step(last, self.batch_size)
            if step is None:
                break
            self._ahead.append(_Planned(step))
            last = step.after
        if not self._ahead:
            raise StopIteration
        try:
            for planned in self._ahead:
                if planned.ticket is None:
                    planned.ticket = self._start(planned.step)
            batch = self._finish(self._ahead[0].ticket)
        except BaseException:
            self._stop_ahead()  # what was planned stays planned: the next call tries again
            raise
        return self._ahead.popleft().step, batch

    def _stop_ahead(self) -> None:
        self._cancel([planned.ticket for planned in self._ahead if planned.ticket is not None])
        for planned in self._ahead:
            planned.ticket = None

    def _forget_ahead(self) -> None:
        self._stop_ahead()
        drawn_ahead = self._ahead and self._ahead[-1].step.after.sampler_state is not self._progress.sampler_state
        self._ahead.clear()
        if drawn_ahead:  # and only then: the generator may have other users
            self._restore_sampler(self._progress.sampler_state)

    def _copy(self, **replaced: Any) -> Self:
        """Return a copy that stands where this one does and fetches for itself, with what is to be replaced."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, _ahead=collections.deque(), **replaced)
        return other


class _Planned:
    """A batch to come, and the ticket under which it is being fetched."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.ticket: Any = None


def _optional(serializer: Any, names: tuple[str, ...], value: Any) -> Any:
    """Save under the first name; load from the first that the file has, or keep ``value``."""
    for name in names:
        try:
            return serializer(name, value)
        except KeyError:
            continue
    return value


def _pack(state: Any) -> np.ndarray[Any, Any] | None:
    """Return a random state as bytes that every file format can hold; JSON's integers have any length."""
    return None if state is None else np.frombuffer(json.dumps(state).encode(), np.uint8)


def fetch(dataset: Any, index: int) -> Any:
    """Return one example; an error says which one it was."""
    try:
        return dataset[index]
    except Exception as error:
        error.add_note(f"in dataset[{index}]")
        raise
