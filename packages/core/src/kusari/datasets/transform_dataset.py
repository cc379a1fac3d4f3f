"""A dataset whose examples a function changes when they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kusari.dataset.dataset_mixin import DatasetMixin


class TransformDataset(DatasetMixin):
    """Have what a function makes of another dataset's examples, at the time that they are read.

    Args:
        dataset: Anything with ``len(dataset)`` and ``dataset[index]``.
        transform: Given an example, it returns what is to take its place.

    >>> TransformDataset([1, 2, 3], lambda x: 10 * x)[:2]
    [10, 20]
    """

    def __init__(self, dataset: Any, transform: Callable[[Any], Any]) -> None:
        self._dataset = dataset
        self._transform = transform

    def __len__(self) -> int:
        return len(self._dataset)

    def get_example(self, i: int) -> Any:
        return self._transform(self._dataset[i])
