"""DatasetMixin: a dataset from one method that returns one example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


class DatasetMixin:
    """Give a class with ``get_example(i)`` and ``__len__`` the indexing of a sequence.

    ``dataset[3]`` calls ``get_example(3)``; a slice, a list or array of indices, or a mask gives a list of examples.

    >>> class Squares(DatasetMixin):
    ...     def __len__(self):
    ...         return 5
    ...
    ...     def get_example(self, i):
    ...         return i * i
    >>> squares = Squares()
    >>> squares[3], squares[1:4], squares[[0, -1]], list(squares)
    (9, [1, 4, 9], [0, 16], [0, 1, 4, 9, 16])
    """

    def __getitem__(self, index: Any) -> Any:
        """Return the example of an index, or a list of several.

        Args:
            index: A slice, a list of ints, a host array of ints or booleans (N,): several. Anything else is handed
                to `get_example` as it is.

        Raises:
            IndexError: A mask of another length than the dataset, or what `get_example` raises.
        """
        if isinstance(index, slice | list | np.ndarray):
            return [self.get_example(i) for i in chosen(index, len(self))]
        return self.get_example(index)

    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self)):
            yield self.get_example(i)

    def __len__(self) -> int:
        """Return the number of examples."""
        raise NotImplementedError(f"{type(self).__name__} does not define __len__()")

    def get_example(self, i: int) -> Any:
        """Return example ``i``. Define this."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_example(i)")


def chosen(index: slice | list[Any] | np.ndarray[Any, Any], size: int) -> list[int]:
    """Return the indices 0 … size - 1 that a slice, a list, an array or a mask chooses.

    Raises:
        IndexError: One beyond ``size``, or a mask of another length.

    >>> chosen([True, False, True], 3), chosen([0, -1], 3), chosen(slice(None, None, 2), 3)
    ([0, 2], [0, 2], [0, 2])
    """
    if isinstance(index, slice):
        return list(range(*index.indices(size)))
    array = np.asarray(index)
    if array.ndim != 1:
        raise IndexError(f"an index of shape {array.shape}; expected one axis")
    if array.dtype == bool:
        if len(array) != size:
            raise IndexError(f"a mask of {len(array)} booleans for {size} examples")
        return [int(i) for i in np.flatnonzero(array)]
    if len(array) and not np.issubdtype(array.dtype, np.integer):
        raise IndexError(f"an index of dtype {array.dtype}; expected integers or booleans")
    indices = [int(i) for i in array]
    for i in indices:
        if not -size <= i < size:
            raise IndexError(f"index {i} is out of bounds for {size} examples")
    return [i % size for i in indices]
