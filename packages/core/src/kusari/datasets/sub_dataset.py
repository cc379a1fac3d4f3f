"""Parts of a dataset: ranges, random splits, folds of a cross validation."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kusari.backend import host_generator
from kusari.dataset.dataset_mixin import DatasetMixin

if TYPE_CHECKING:
    Order = Sequence[int] | np.ndarray[Any, Any]


class SubDataset(DatasetMixin):
    """Have the examples ``start`` … ``finish - 1`` of a dataset.

    Args:
        dataset: Anything with ``len(dataset)`` and ``dataset[index]``.
        start: The first.
        finish: The one after the last.
        order: Indices (N,) into the dataset: example ``i`` of it is then ``dataset[order[i]]``. None: as it is.

    Raises:
        ValueError: A range that is not within the dataset, or an ``order`` of another length.

    >>> SubDataset("abcde", 1, 4)[:]
    ['b', 'c', 'd']
    >>> SubDataset("abcde", 1, 4, order=[4, 3, 2, 1, 0])[0]
    'd'
    """

    def __init__(self, dataset: Any, start: int, finish: int, order: Order | None = None) -> None:
        if not 0 <= start <= finish <= len(dataset):
            raise ValueError(f"examples {start} … {finish} are not within a dataset of {len(dataset)}")
        if order is not None and len(order) != len(dataset):
            raise ValueError(f"order has {len(order)} indices, the dataset {len(dataset)} examples")
        self._dataset = dataset
        self._start = start
        self._size = finish - start
        self._order = order

    def __len__(self) -> int:
        return self._size

    def get_example(self, i: int) -> Any:
        if not -self._size <= i < self._size:
            raise IndexError(f"index {i} is out of bounds for {self._size} examples")
        index = self._start + i % self._size
        return self._dataset[index if self._order is None else int(self._order[index])]


def split_dataset(dataset: Any, split_at: int, order: Order | None = None) -> tuple[SubDataset, SubDataset]:
    """Split a dataset in two.

    Args:
        dataset: Anything with ``len(dataset)`` and ``dataset[index]``.
        split_at: How many examples the first part gets.
        order: Indices (N,) into the dataset, in whose order it is split. None: as it is.

    Raises:
        TypeError: ``split_at`` is not an int.
        ValueError: It is below 0 or above the number of examples.

    >>> [part[:] for part in split_dataset("abcde", 2)]
    [['a', 'b'], ['c', 'd', 'e']]
    """
    try:
        split_at = operator.index(split_at)
    except TypeError:
        raise TypeError(f"split_at: expected an int, a number of examples, got {split_at!r}") from None
    if not 0 <= split_at <= len(dataset):
        raise ValueError(f"split_at={split_at}: expected 0 … {len(dataset)}, the number of examples")
    return SubDataset(dataset, 0, split_at, order), SubDataset(dataset, split_at, len(dataset), order)


def split_dataset_random(dataset: Any, first_size: int, seed: int | None = None) -> tuple[SubDataset, SubDataset]:
    """Split a dataset in two at random.

    Args:
        dataset: Anything with ``len(dataset)`` and ``dataset[index]``.
        first_size: How many examples the first part gets.
        seed: The same one gives the same parts, always. None: another split each time (by ``kusari.seed``).

    Raises:
        TypeError: ``first_size`` is not an int.
        ValueError: It is below 0 or above the number of examples.

    >>> [part[:] for part in split_dataset_random("abcdefgh", 3, seed=0)]
    [['g', 'c', 'b'], ['h', 'd', 'a', 'f', 'e']]
    """
    return split_dataset(dataset, first_size, _permutation(len(dataset), seed))


def get_cross_validation_datasets(
    dataset: Any, n_folds: int | None = None, order: Order | None = None, **kwargs: Any
) -> list[tuple[SubDataset, SubDataset]]:
    """Split a dataset into training and test sets for a cross validation.

    The test sets are disjoint, make up the whole, and differ in size by at most one; the training set of each split
    is the rest.

    Args:
        dataset: Anything with ``len(dataset)`` and ``dataset[index]``.
        n_folds: How many splits.
        order: Indices (N,) into the dataset, in whose order it is cut. None: as it is.
        **kwargs: ``n_fold``, the deprecated name of ``n_folds``.

    Returns:
        A (training set, test set) for each split.

    Raises:
        ValueError: ``n_folds`` is missing, below 1, or above the number of examples.

    >>> [(train[:], test[:]) for train, test in get_cross_validation_datasets("abcde", 2)]
    [(['a', 'b'], ['c', 'd', 'e']), (['c', 'd', 'e'], ['a', 'b'])]
    """
    n_folds = _number_of_folds(n_folds, kwargs)
    size = len(dataset)
    if not 1 <= n_folds <= size:
        raise ValueError(f"n_folds={n_folds}: expected 1 … {size}, the number of examples")
    indices = np.arange(size) if order is None else np.asarray(order)
    if len(indices) != size:
        raise ValueError(f"order has {len(indices)} indices, the dataset {size} examples")
    splits = []
    finish = size
    for fold in range(n_folds):
        test_size = size // n_folds + (fold < size % n_folds)
        start = finish - test_size
        # One order for both parts: the test set last, and before it the rest, which begins where the test set ends.
        turned = np.concatenate([indices[finish:], indices[:finish]])
        splits.append(split_dataset(dataset, size - test_size, turned))
        finish = start
    return splits


def get_cross_validation_datasets_random(
    dataset: Any, n_folds: int | None = None, seed: int | None = None, **kwargs: Any
) -> list[tuple[SubDataset, SubDataset]]:
    """Split a dataset at random into training and test sets for a cross validation.

    Args:
        dataset: Anything with ``len(dataset)`` and ``dataset[index]``.
        n_folds: How many splits.
        seed: The same one gives the same splits, always. None: others each time (by ``kusari.seed``).
        **kwargs: ``n_fold``, the deprecated name of ``n_folds``.

    Returns:
        A (training set, test set) for each split, as `get_cross_validation_datasets` does.

    Raises:
        ValueError: ``n_folds`` is missing, below 1, or above the number of examples.
    """
    return get_cross_validation_datasets(dataset, n_folds, _permutation(len(dataset), seed), **kwargs)


def _permutation(size: int, seed: int | None) -> np.ndarray[Any, Any]:
    if seed is None:
        return host_generator().permutation(size)
    # The legacy generator: a seed that old programs split their data by still gives the same test set.
    return np.random.RandomState(seed).permutation(size)


def _number_of_folds(n_folds: int | None, kwargs: dict[str, Any]) -> int:
    if n_folds is None and "n_fold" in kwargs:
        warnings.warn("n_fold is deprecated; use n_folds", DeprecationWarning, stacklevel=3)
        n_folds = kwargs.pop("n_fold")
    if kwargs:
        raise TypeError(f"unexpected arguments: {', '.join(kwargs)}")
    if n_folds is None:
        raise ValueError("n_folds is missing: how many splits?")
    return operator.index(n_folds)
