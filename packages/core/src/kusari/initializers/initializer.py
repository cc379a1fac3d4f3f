"""Initializer: what fills an array in place, and the dtype that it asks for."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from kusari.dtypes import DTypeLike, get_dtype

HostArray: TypeAlias = np.ndarray[Any, Any]


class Initializer:
    """Fill a host array in place; subclass it and write ``__call__``.

    Any callable that fills its argument will do as an initializer; this class adds a dtype.

    Args:
        dtype: What the array is to have; None: ``config.dtype``.

    >>> class Ramp(Initializer):
    ...     def __call__(self, array):
    ...         array[...] = np.arange(array.size).reshape(array.shape)
    >>> kusari.initializers.generate_array(Ramp(), (2, 2), np)
    array([[0., 1.],
           [2., 3.]], dtype=float32)
    """

    def __init__(self, dtype: DTypeLike = None) -> None:
        self.dtype = dtype

    def __call__(self, array: HostArray) -> None:
        """Fill ``array`` in place."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(array)")

    def check_dtype(self, array: HostArray) -> None:
        """Raise where ``array`` has another dtype than the one asked for.

        Raises:
            ValueError: It has.
        """
        if self.dtype is not None and array.dtype != get_dtype(self.dtype):
            raise ValueError(
                f"{type(self).__name__}(dtype={get_dtype(self.dtype).name!r}) was given an array of {array.dtype}; "
                "leave dtype out, or give both the same"
            )


def refuse_unknown(initializer: object, unknown: dict[str, Any], known: str) -> None:
    """Raise where a constructor was given keywords that it does not have."""
    if unknown:
        raise TypeError(f"{type(initializer).__name__}() got unknown keyword(s) {', '.join(unknown)}; expected {known}")
