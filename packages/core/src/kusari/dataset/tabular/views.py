"""Views that rearrange tables: rows, columns, other tables below or beside."""

from __future__ import annotations

from typing import Any

from kusari.dataset.dataset_mixin import chosen
from kusari.dataset.tabular.tabular_dataset import Columns, Keys, Rows, TabularDataset


class Slicer:
    """What ``dataset.slice`` is: index it by rows, or by rows and keys."""

    def __init__(self, dataset: TabularDataset) -> None:
        self._dataset = dataset

    def __getitem__(self, index: Any) -> TabularDataset:
        """Return a view.

        Raises:
            KeyError: There is no such column.
            IndexError: There is no such row or column.
        """
        rows, keys = index if isinstance(index, tuple) else (index, None)
        return Sliced(self._dataset, rows, keys)


class View(TabularDataset):
    """A table that shows another one."""

    def __init__(self, dataset: TabularDataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def keys(self) -> Keys:
        return self._dataset.keys

    @property
    def mode(self) -> type | None:
        return self._dataset.mode

    def get_examples(self, indices: Rows, key_indices: tuple[int, ...] | None) -> Columns:
        return self._dataset.get_examples(indices, key_indices)

    def convert(self, data: Any) -> Any:
        return self._dataset.convert(data)


class ModeView(View):
    """A table whose examples are tuples, or dicts."""

    def __init__(self, dataset: TabularDataset, mode: type) -> None:
        super().__init__(dataset)
        self._mode = mode

    @property
    def mode(self) -> type:
        return self._mode


class Sliced(View):
    """Some rows and columns of a table, in a given order."""

    def __init__(self, dataset: TabularDataset, rows: Any, keys: Any) -> None:
        super().__init__(dataset)
        everything = isinstance(rows, slice) and rows == slice(None)
        self._rows: list[int] | None = None if everything else chosen(rows, len(dataset))
        self._columns: tuple[int, ...] | None = None
        self._mode = dataset.mode
        if keys is not None:
            several = keys if isinstance(keys, tuple) else (keys,)
            self._columns = tuple(_column_number(dataset.keys, key) for key in several)
            if not isinstance(keys, tuple):
                self._mode = None
            elif self._mode is None:
                self._mode = tuple

    def __len__(self) -> int:
        return len(self._dataset) if self._rows is None else len(self._rows)

    @property
    def keys(self) -> Keys:
        keys = self._dataset.keys
        return keys if self._columns is None else tuple(keys[number] for number in self._columns)

    @property
    def mode(self) -> type | None:
        return self._mode

    def get_examples(self, indices: Rows, key_indices: tuple[int, ...] | None) -> Columns:
        columns = self._columns
        if self._rows is None or indices is None:
            rows = indices if self._rows is None else self._rows
        else:
            rows = [self._rows[place] for place in chosen(indices, len(self._rows))]
        if columns is None:
            columns = key_indices
        elif key_indices is not None:
            columns = tuple(columns[place] for place in key_indices)
        return self._dataset.get_examples(rows, columns)


def _column_number(keys: Keys, key: Any) -> int:
    if isinstance(key, str):
        if key not in keys:
            raise KeyError(f"no column {key!r}; there are {', '.join(keys)}")
        return keys.index(key)
    if not -len(keys) <= key < len(keys):
        raise IndexError(f"column {key} is out of bounds for {len(keys)} columns")
    return int(key) % len(keys)


class Concatenated(View):
    """The rows of several tables, one after the other; the first one's mode and `convert` hold."""

    def __init__(self, *datasets: TabularDataset) -> None:
        super().__init__(datasets[0])
        self._datasets = datasets
        for dataset in datasets:
            if dataset.keys != datasets[0].keys:
                raise ValueError(f"tables with the same keys can be concatenated: {datasets[0].keys}, {dataset.keys}")

    def __len__(self) -> int:
        return sum(map(len, self._datasets))

    def get_examples(self, indices: Rows, key_indices: tuple[int, ...] | None) -> Columns:
        rows = range(len(self)) if indices is None else chosen(indices, len(self))
        count = len(self.keys if key_indices is None else key_indices)
        columns: list[list[Any]] = [[None] * len(rows) for _ in range(count)]
        start = 0
        for dataset in self._datasets:
            stop = start + len(dataset)
            places = [place for place, row in enumerate(rows) if start <= row < stop]
            if places:
                parts = dataset.get_examples([rows[place] - start for place in places], key_indices)
                for column, part in zip(columns, parts, strict=True):
                    for place, value in zip(places, part, strict=True):
                        column[place] = value
            start = stop
        return tuple(columns)


class Joined(View):
    """The columns of several tables, side by side; the first one's mode (None becomes tuple) and `convert` hold."""

    def __init__(self, *datasets: TabularDataset) -> None:
        super().__init__(datasets[0])
        self._datasets = datasets
        for dataset in datasets:
            if len(dataset) != len(datasets[0]):
                raise ValueError(f"tables of one length can be joined: {len(datasets[0])} rows, {len(dataset)} rows")
        if len(set(self.keys)) != len(self.keys):
            raise ValueError(f"tables whose keys differ can be joined: {self.keys}")

    @property
    def keys(self) -> Keys:
        return tuple(key for dataset in self._datasets for key in dataset.keys)

    @property
    def mode(self) -> type:
        return self._dataset.mode or tuple

    def get_examples(self, indices: Rows, key_indices: tuple[int, ...] | None) -> Columns:
        wanted = range(len(self.keys)) if key_indices is None else key_indices
        found: dict[int, Any] = {}
        start = 0
        for dataset in self._datasets:
            stop = start + len(dataset.keys)
            own = tuple(dict.fromkeys(number for number in wanted if start <= number < stop))
            if own:
                parts = dataset.get_examples(indices, tuple(number - start for number in own))
                found.update(zip(own, parts, strict=True))
            start = stop
        return tuple(found[number] for number in wanted)
