"""Several datasets side by side, as dicts."""

from __future__ import annotations

from typing import Any

from kusari.dataset.dataset_mixin import DatasetMixin


class DictDataset(DatasetMixin):
    """Combine datasets of equal length into one of dicts.

    Args:
        **datasets: Anything with ``len(dataset)`` and ``dataset[index]``, under the key that its examples get.

    Raises:
        ValueError: None at all, or of different lengths.

    >>> DictDataset(x=[1, 2, 3], name="abc")[1]
    {'x': 2, 'name': 'b'}
    """

    def __init__(self, **datasets: Any) -> None:
        if not datasets:
            raise ValueError("no datasets are given")
        self._length = len(next(iter(datasets.values())))
        for key, dataset in datasets.items():
            if len(dataset) != self._length:
                raise ValueError(
                    f"datasets of one length are needed: the first has {self._length} examples, "
                    f"{key!r} has {len(dataset)}"
                )
        self._datasets = datasets

    def __len__(self) -> int:
        return self._length

    def get_example(self, i: int) -> dict[str, Any]:
        return {key: dataset[i] for key, dataset in self._datasets.items()}
