"""A tabular dataset that is another one, for deriving from."""

from __future__ import annotations

from typing import Any

from kusari.dataset.tabular.tabular_dataset import Columns, Keys, Rows, TabularDataset


class DelegateDataset(TabularDataset):
    """Be a tabular dataset that was built from parts: a base for classes whose ``__init__`` builds one.

    Args:
        dataset: The `TabularDataset` to be.

    >>> from kusari.dataset.tabular import from_data
    >>> class Squares(DelegateDataset):
    ...     def __init__(self, n):
    ...         super().__init__(from_data({"x": range(n), "square": lambda i: i * i}))
    >>> Squares(4)[3]
    {'x': 3, 'square': 9}
    """

    def __init__(self, dataset: TabularDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def keys(self) -> Keys:
        return self.dataset.keys

    @property
    def mode(self) -> type | None:
        return self.dataset.mode

    def get_examples(self, indices: Rows, key_indices: tuple[int, ...] | None) -> Columns:
        return self.dataset.get_examples(indices, key_indices)

    def convert(self, data: Any) -> Any:
        return self.dataset.convert(data)
