"""Several datasets side by side, as tuples."""

from __future__ import annotations

from typing import Any

from kusari.dataset.dataset_mixin import DatasetMixin


class TupleDataset(DatasetMixin):
    """Combine datasets of equal length into one of tuples.

    Args:
        *datasets: Anything with ``len(dataset)`` and ``dataset[index]``: arrays, lists, datasets.

    Raises:
        ValueError: None at all, or of different lengths.

    >>> TupleDataset([1, 2, 3], "abc")[1:]
    [(2, 'b'), (3, 'c')]
    """

    def __init__(self, *datasets: Any) -> None:
        if not datasets:
            raise ValueError("no datasets are given")
        for place, dataset in enumerate(datasets):
            if len(dataset) != len(datasets[0]):
                raise ValueError(
                    f"datasets of one length are needed: the first has {len(datasets[0])} examples, "
                    f"number {place} has {len(dataset)}"
                )
        self._datasets = datasets

    def __len__(self) -> int:
        return len(self._datasets[0])

    def get_example(self, i: int) -> tuple[Any, ...]:
        return tuple([dataset[i] for dataset in self._datasets])
