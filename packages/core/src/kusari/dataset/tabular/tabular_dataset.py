"""TabularDataset: named columns, read by column, seen as tuples, dicts or single values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from kusari.dataset.convert import concat_examples
from kusari.dataset.dataset_mixin import DatasetMixin, chosen

if TYPE_CHECKING:
    from kusari.dataset.tabular.views import Slicer

Keys: TypeAlias = tuple[str, ...]
Rows: TypeAlias = "list[int] | slice | None"
"""Which rows: None for all."""
Columns: TypeAlias = tuple[Any, ...]
"""A sequence (list, array) of values for each column."""


class TabularDataset(DatasetMixin):
    """Be a dataset whose examples all have the same elements: the columns of a table.

    Define ``__len__``, ``keys`` (the columns' names), ``mode`` (whether an example is a ``tuple``, a ``dict`` or, with
    one column, None: the value itself) and ``get_examples(indices, key_indices)``, which reads the asked for part by
    column. Views (`slice`, `transform`, `concat`, `join` …) pass on what is asked of them, so that nothing is read
    that is not needed.

    >>> class Table(TabularDataset):
    ...     keys, mode = ("a", "b", "c"), tuple
    ...
    ...     def __len__(self):
    ...         return 4
    ...
    ...     def get_examples(self, indices, key_indices):
    ...         data = np.arange(12).reshape(4, 3)
    ...         data = data if indices is None else data[indices]
    ...         return tuple(data.T if key_indices is None else data.T[list(key_indices)])
    >>> table = Table()
    >>> table[1]
    (np.int64(3), np.int64(4), np.int64(5))
    >>> table.slice[[3, 2], ("c", 0)].asdict().fetch()
    {'c': array([11,  8]), 'a': array([9, 6])}
    """

    @property
    def keys(self) -> Keys:
        """The names of the columns. Define this."""
        raise NotImplementedError(f"{type(self).__name__} does not define keys")

    @property
    def mode(self) -> type | None:
        """What an example is: tuple, dict, or None for the value of a single column. Define this."""
        raise NotImplementedError(f"{type(self).__name__} does not define mode")

    def get_examples(self, indices: Rows, key_indices: tuple[int, ...] | None) -> Columns:
        """Return a part of the table, by column. Define this.

        Args:
            indices: Rows, 0 … N - 1, in any order; None: all.
            key_indices: Columns, in any order; None: all.

        Returns:
            For each column a list or an array of the rows' values.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define get_examples(indices, key_indices)")

    @property
    def slice(self) -> Slicer:
        """What takes rows and columns: ``dataset.slice[rows]``, ``dataset.slice[rows, keys]``.

        Rows are a slice, a list or array of indices, or a mask. Keys are names or numbers of columns in a tuple, or a
        single one: then an example is that column's value.
        """
        from kusari.dataset.tabular.views import Slicer

        return Slicer(self)

    def fetch(self) -> Any:
        """Return the whole table by column: a tuple or a dict of sequences, or the one sequence."""
        columns = self.get_examples(None, None)  # before mode: some know it by what their function returned
        return shaped(self.mode, self.keys, columns)

    def convert(self, data: Any) -> Any:
        """Turn what `fetch` returned into arrays, one for each column."""
        if isinstance(data, tuple):
            return tuple(_as_array(column) for column in data)
        if isinstance(data, dict):
            return {key: _as_array(column) for key, column in data.items()}
        return _as_array(data)

    def astuple(self) -> TabularDataset:
        """Return a view whose examples are tuples."""
        from kusari.dataset.tabular.views import ModeView

        return ModeView(self, tuple)

    def asdict(self) -> TabularDataset:
        """Return a view whose examples are dicts."""
        from kusari.dataset.tabular.views import ModeView

        return ModeView(self, dict)

    def concat(self, *datasets: TabularDataset) -> TabularDataset:
        """Return a view of this table's rows and then those of others, which have the same keys.

        Raises:
            ValueError: Other keys.
        """
        from kusari.dataset.tabular.views import Concatenated

        return Concatenated(self, *datasets)

    def join(self, *datasets: TabularDataset) -> TabularDataset:
        """Return a view of this table's columns and then those of others, which have as many rows.

        Raises:
            ValueError: Another number of rows, or a key that occurs twice.
        """
        from kusari.dataset.tabular.views import Joined

        return Joined(self, *datasets)

    def transform(self, keys: Keys | str, transform: Callable[..., Any]) -> TabularDataset:
        """Return a view whose examples a function makes of this table's.

        Args:
            keys: The names of what it returns: a tuple of them, or one.
            transform: Given an example's elements (by name, where they are dicts), it returns a tuple, a dict, or
                the value of a single column.
        """
        from kusari.dataset.tabular.transforms import Transformed

        return Transformed(self, keys, transform)

    def transform_batch(self, keys: Keys | str, transform_batch: Callable[..., Any]) -> TabularDataset:
        """Return a view like `transform`'s, by a function of many examples at once.

        Args:
            keys: The names of what it returns: a tuple of them, or one.
            transform_batch: Given the columns of some rows, it returns as many rows, by column.
        """
        from kusari.dataset.tabular.transforms import BatchTransformed

        return BatchTransformed(self, keys, transform_batch)

    def with_converter(self, converter: Callable[..., Any]) -> TabularDataset:
        """Return a view whose `convert` calls a function with the columns (by name, where examples are dicts)."""
        from kusari.dataset.tabular.transforms import WithConverter

        return WithConverter(self, converter)

    def get_example(self, i: int) -> Any:
        (row,) = chosen([i], len(self))
        values = tuple(column[0] for column in self.get_examples([row], None))
        return shaped(self.mode, self.keys, values)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice | list | np.ndarray):
            columns = self.get_examples(chosen(index, len(self)), None)
            return [shaped(self.mode, self.keys, row) for row in zip(*columns, strict=True)]
        return self.get_example(index)

    def __iter__(self) -> Iterator[Any]:
        return (self.get_example(i) for i in range(len(self)))


def shaped(mode: type | None, keys: Keys, values: tuple[Any, ...]) -> Any:
    """Return one thing per column as a tuple, as a dict, or the only one itself."""
    if mode is dict:
        return dict(zip(keys, values, strict=True))
    return values if mode is tuple else values[0]


def called(mode: type | None, keys: Keys, function: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    """Call a function with one thing per column: by name where examples are dicts."""
    return function(**dict(zip(keys, values, strict=True))) if mode is dict else function(*values)


def _as_array(column: Any) -> Any:
    return concat_examples(column) if isinstance(column, list) else column
