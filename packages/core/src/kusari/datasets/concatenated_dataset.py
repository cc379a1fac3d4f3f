"""Several datasets one after the other."""

from __future__ import annotations

import bisect
import itertools
from typing import Any

from kusari.dataset.dataset_mixin import DatasetMixin


class ConcatenatedDataset(DatasetMixin):
    """Have the examples of several datasets, one dataset after the other.

    Args:
        *datasets: Anything with ``len(dataset)`` and ``dataset[index]``.

    >>> joined = ConcatenatedDataset([1, 2], "ab")
    >>> joined[2], joined[:]
    ('a', [1, 2, 'a', 'b'])
    """

    def __init__(self, *datasets: Any) -> None:
        self._datasets = datasets
        self._ends = list(itertools.accumulate(len(dataset) for dataset in datasets))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def get_example(self, i: int) -> Any:
        if not -len(self) <= i < len(self):
            raise IndexError(f"index {i} is out of bounds for {len(self)} examples")
        i %= len(self)
        place = bisect.bisect_right(self._ends, i)
        return self._datasets[place][i - (self._ends[place - 1] if place else 0)]
