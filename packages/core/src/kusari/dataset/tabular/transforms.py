"""Views that compute: what functions make of a table's examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kusari.dataset.tabular.tabular_dataset import Columns, Keys, Rows, TabularDataset, called
from kusari.dataset.tabular.views import View


class WithConverter(View):
    """A table with another `convert`."""

    def __init__(self, dataset: TabularDataset, converter: Callable[..., Any]) -> None:
        super().__init__(dataset)
        self._converter = converter

    def convert(self, data: Any) -> Any:
        if isinstance(data, tuple):
            return self._converter(*data)
        return self._converter(**data) if isinstance(data, dict) else self._converter(data)


class _Computed(View):
    """A table whose columns a function returns.

    What an example is (tuple, dict, value) shows in what the function returns, so it is asked with the first row.
    """

    def __init__(self, dataset: TabularDataset, keys: Keys | str, function: Callable[..., Any]) -> None:
        super().__init__(dataset)
        self._single = isinstance(keys, str)
        self._keys = (keys,) if isinstance(keys, str) else tuple(keys)
        self._function = function
        self._known_mode: list[type | None] = []

    @property
    def keys(self) -> Keys:
        return self._keys

    @property
    def mode(self) -> type | None:
        if self._single:
            return None
        if not self._known_mode:
            if len(self._dataset) == 0:
                return tuple
            self.get_examples([0], None)
        return self._known_mode[0]

    def convert(self, data: Any) -> Any:
        return TabularDataset.convert(self, data)

    def _call(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return what the function returns, one thing per key."""
        result = called(self._dataset.mode, self._dataset.keys, self._function, values)
        if self._single:
            return (result,)
        self._known_mode[:] = [dict if isinstance(result, dict) else tuple]
        if isinstance(result, dict):
            if set(result) != set(self._keys):
                raise ValueError(f"the transform returned keys {tuple(result)}, expected {self._keys}")
            return tuple(result[key] for key in self._keys)
        if not isinstance(result, tuple) or len(result) != len(self._keys):
            raise ValueError(f"the transform returned {result!r:.200}; expected a tuple or a dict for {self._keys}")
        return result


class Transformed(_Computed):
    """A table whose examples a function makes one by one."""

    def get_examples(self, indices: Rows, key_indices: tuple[int, ...] | None) -> Columns:
        rows = [self._call(values) for values in zip(*self._dataset.get_examples(indices, None), strict=True)]
        wanted = range(len(self._keys)) if key_indices is None else key_indices
        return tuple([row[number] for row in rows] for number in wanted)


class BatchTransformed(_Computed):
    """A table whose examples a function makes by column."""

    def get_examples(self, indices: Rows, key_indices: tuple[int, ...] | None) -> Columns:
        source = self._dataset.get_examples(indices, None)
        columns = self._call(source)
        for key, column in zip(self._keys, columns, strict=True):
            if len(column) != len(source[0]):
                raise ValueError(f"transform_batch returned {len(column)} rows of {key!r} for {len(source[0])} rows")
        return columns if key_indices is None else tuple(columns[number] for number in key_indices)
