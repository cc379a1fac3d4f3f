"""Tables made of lists, arrays and functions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final, cast

from kusari.dataset.dataset_mixin import chosen
from kusari.dataset.tabular.tabular_dataset import Columns, Keys, Rows, TabularDataset
from kusari.dataset.tabular.views import Joined, ModeView

_numbers: Final = itertools.count()
"""Of columns without a name: no two are equal, so that any two tables can be joined."""


def from_data(data: Any, *, size: int | None = None) -> TabularDataset:
    """Return a `TabularDataset` of lists, arrays and functions of an index.

    Args:
        data: A column is a list or an array, ``(name, list or array)`` or ``(name, function)``; ``((name, name …),
            function)`` are several, whose function returns a tuple or a dict. One of these, a tuple of them, or a
            dict with the names as keys.
        size: The number of rows, where there are only functions.

    Returns:
        Its examples are dicts when ``data`` is one, values when it is one column, else tuples.

    Raises:
        ValueError: Columns of different lengths, no ``size``, or a function without a name.

    >>> table = from_data({"x": [1, 2, 3], "square": lambda i: (i + 1) ** 2})
    >>> table[2]
    {'x': 3, 'square': 9}
    >>> from_data(([1, 2], ("y", np.zeros(2))))[0]
    (1, np.float64(0.0))
    """
    if isinstance(data, dict):
        parts, mode = list(data.items()), cast("type", dict)
    elif isinstance(data, tuple) and not _is_named(data):
        parts, mode = [entry if _is_named(entry) else (None, entry) for entry in data], tuple
    else:
        name, content = data if _is_named(data) else (None, data)
        return _column(name, content, _size([(name, content)], size))
    rows = _size(parts, size)
    columns = [_column(name, content, rows) for name, content in parts]
    return ModeView(Joined(*columns), mode)


def _is_named(entry: Any) -> bool:
    """Tell ``(name, column)`` and ``((name, …), function)`` from a tuple of columns."""
    if not isinstance(entry, tuple) or len(entry) != 2:
        return False
    name = entry[0]
    return isinstance(name, str) or (
        isinstance(name, tuple) and all(isinstance(key, str) for key in name) and callable(entry[1])
    )


def _size(parts: list[tuple[Any, Any]], size: int | None) -> int:
    lengths = {len(content) for _, content in parts if not callable(content)} | (set() if size is None else {size})
    if not lengths:
        raise ValueError("there are only functions: give size, the number of rows")
    if len(lengths) > 1:
        raise ValueError(f"columns of one length are needed, there are lengths {sorted(lengths)}")
    (found,) = lengths
    return found


def _column(name: Any, content: Any, size: int) -> TabularDataset:
    if not callable(content):
        return _Values(f"_{next(_numbers)}" if name is None else name, content)
    if name is None:
        raise ValueError("a function needs the name of its column: (name, function)")
    return _FunctionColumns((name,) if isinstance(name, str) else name, isinstance(name, str), content, size)


class _Values(TabularDataset):
    """One column of values that are there."""

    def __init__(self, key: str, values: Any) -> None:
        self._key = key
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    @property
    def keys(self) -> Keys:
        return (self._key,)

    @property
    def mode(self) -> None:
        return None

    def get_examples(self, indices: Rows, key_indices: tuple[int, ...] | None) -> Columns:
        values = self._values
        if indices is not None:
            # An array is indexed at once; a list, a range or a dataset one by one.
            rows = chosen(indices, len(self))
            values = values[rows] if hasattr(values, "dtype") else [values[row] for row in rows]
        return (values,) * (1 if key_indices is None else len(key_indices))


class _FunctionColumns(TabularDataset):
    """Columns that a function of an index computes."""

    def __init__(self, keys: Keys, single: bool, function: Callable[[int], Any], size: int) -> None:
        self._keys = keys
        self._single = single
        self._function = function
        self._size = size
        self._returns_dict: bool | None = None  # known once it was called

    def __len__(self) -> int:
        return self._size

    @property
    def keys(self) -> Keys:
        return self._keys

    @property
    def mode(self) -> type | None:
        if self._single:
            return None
        if self._returns_dict is None and self._size:
            self.get_examples([0], None)
        return dict if self._returns_dict else tuple

    def get_examples(self, indices: Rows, key_indices: tuple[int, ...] | None) -> Columns:
        rows = [self._function(row) for row in chosen(slice(None) if indices is None else indices, self._size)]
        if not self._single:
            if rows:
                self._returns_dict = isinstance(rows[0], dict)
            rows = [tuple(row[key] for key in self._keys) if isinstance(row, dict) else row for row in rows]
            wanted = range(len(self._keys)) if key_indices is None else key_indices
            return tuple([row[number] for row in rows] for number in wanted)
        return (rows,) * (1 if key_indices is None else len(key_indices))
