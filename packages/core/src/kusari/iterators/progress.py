"""Where an iterator stands, and which examples come next: plain values, no fetching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from kusari.iterators.order_samplers import Order, SampleOrder


class Progress(NamedTuple):
    """Where an iterator stands between two batches."""

    position: int = 0
    """How many examples of the epoch have been returned."""
    epoch: int = 0
    """How many epochs have been completed."""
    is_new_epoch: bool = False
    """Whether the last batch completed one."""
    previous_epoch_detail: float | None = None
    """Where it stood before the last batch; None before the first."""
    order: Order | None = None
    """The epoch's order (N,); None: that of the dataset."""
    sampler_state: Any = None
    """The order sampler's, as it was after it drew ``order``."""


class Step(NamedTuple):
    """One batch that is to be fetched."""

    indices: list[int]
    """Into the dataset."""
    serials: range
    """The number of each example since the start, over all epochs: the same in every run, so that it can seed."""
    after: Progress
    """Where the iterator stands once the batch is returned."""


class Course:
    """The rules by which `Progress` advances: how many examples there are, and who orders them."""

    def __init__(self, size: int, repeat: bool, sampler: SampleOrder | None) -> None:
        self.size = size
        self.repeat = repeat
        self.sampler = sampler

    def beginning(self) -> Progress:
        """Return the first `Progress`, with a fresh order."""
        if self.sampler is None:
            return Progress()
        return Progress(order=self._draw(np.arange(self.size), 0, None), sampler_state=state_of(self.sampler))

    def epoch_size(self, progress: Progress) -> int:
        """Return the number of examples in an epoch: the dataset's, unless the sampler's order has another length."""
        return self.size if progress.order is None else len(progress.order)

    def detail(self, progress: Progress) -> float:
        """Return the epochs done, the started one in proportion."""
        size = self.epoch_size(progress)
        return progress.epoch + (progress.position / size if size else 0.0)

    def step(self, before: Progress, batch_size: int) -> Step | None:
        """Return the batch after ``before``; None at the end.

        Raises:
            ValueError: Nothing to repeat, or an order of another length than the one before.
        """
        size = self.epoch_size(before)
        if not self.repeat and (before.epoch > 0 or size == 0):
            return None
        if size == 0:
            raise ValueError("the dataset is empty: there is nothing to repeat; repeat=False ends at once")
        indices: list[int] = []
        position, epoch, order, state = before.position, before.epoch, before.order, before.sampler_state
        while len(indices) < batch_size:
            stop = min(position + batch_size - len(indices), size)
            indices += range(position, stop) if order is None else order[position:stop].tolist()
            position = stop
            if position < size:
                break
            position, epoch = 0, epoch + 1
            if not self.repeat:
                break
            if self.sampler is not None and order is not None:
                order = self._draw(order, before.position, size)
                state = state_of(self.sampler)
        first = before.epoch * size + before.position
        after = Progress(position, epoch, epoch > before.epoch, self.detail(before), order, state)
        return Step(indices, range(first, first + len(indices)), after)

    def _draw(self, order: Order, position: int, expected: int | None) -> Order:
        assert self.sampler is not None
        drawn = np.array(self.sampler(order, position), dtype=np.int64)
        if drawn.ndim != 1 or (expected is not None and len(drawn) != expected):
            wanted = "one axis" if expected is None else f"shape ({expected},), that of the order before"
            raise ValueError(f"the order sampler returned shape {drawn.shape}; expected {wanted}")
        return drawn


def state_of(sampler: Any) -> Any:
    """Return the state of an order sampler; None for one that has none, such as a function."""
    get_state = getattr(sampler, "get_state", None)
    return None if get_state is None else get_state()
