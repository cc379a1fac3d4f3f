"""Constants: a number, an array, the identity, and NaN, which marks what nobody has set."""

from __future__ import annotations

import numbers
from typing import Any, ClassVar

import numpy as np

from kusari.backend import device_of_array
from kusari.dtypes import DTypeLike, is_floating
from kusari.initializers.initializer import HostArray, Initializer


def is_scalar(value: object) -> bool:
    """Tell whether ``value`` is a number, Python's or one of the host's scalars.

    >>> is_scalar(np.float32(1)), is_scalar(np.asarray(1.0))
    (True, False)
    """
    return isinstance(value, numbers.Number | np.generic)


def is_array(value: object) -> bool:
    """Tell whether ``value`` looks like an array of some backend: scalars do too, and are told apart.

    >>> is_array(np.ones(2)), is_array(np.float32(1)), is_array([1])
    (True, False, False)
    """
    return hasattr(value, "shape") and hasattr(value, "dtype") and not is_scalar(value) and not callable(value)


class Constant(Initializer):
    """Fill with a number, or with an array repeated to the shape.

    Args:
        fill_value: A number, or an array of any backend that broadcasts to what it fills.
        dtype: What the array is to have; None: ``config.dtype``.

    Raises:
        ValueError: ``fill_value`` is neither.

    >>> kusari.initializers.generate_array(Constant(3), (2,), np)
    array([3., 3.], dtype=float32)
    """

    def __init__(self, fill_value: Any, dtype: DTypeLike = None) -> None:
        super().__init__(dtype)
        if not is_scalar(fill_value) and not is_array(fill_value):
            raise ValueError(f"Constant(fill_value): expected a number or an array, got {type(fill_value).__name__}")
        self.fill_value = fill_value

    def __call__(self, array: HostArray) -> None:
        self.check_dtype(array)
        value = self.fill_value
        if not is_scalar(value) and not isinstance(value, np.ndarray):
            value = device_of_array(value).backend.to_host(value)
        try:
            array[...] = value
        except ValueError:
            raise ValueError(
                f"Constant: an array of shape {value.shape} does not broadcast to {array.shape}, which it is to fill"
            ) from None


class _Fixed(Initializer):
    fill_value: ClassVar[float]

    def __call__(self, array: HostArray) -> None:
        self.check_dtype(array)
        array[...] = self.fill_value


class Zero(_Fixed):
    """Fill with zeros.

    >>> kusari.initializers.generate_array(Zero(), (2,), np)
    array([0., 0.], dtype=float32)
    """

    fill_value = 0.0


class One(_Fixed):
    """Fill with ones.

    >>> kusari.initializers.generate_array(One(), (2,), np)
    array([1., 1.], dtype=float32)
    """

    fill_value = 1.0


class NaN(_Fixed):
    """Fill with NaN, so that what nobody set shows; integers, which have none, with the lowest one.

    >>> kusari.initializers.generate_array(NaN(), (2,), np)
    array([nan, nan], dtype=float32)
    """

    fill_value = float("nan")

    def __call__(self, array: HostArray) -> None:
        if is_floating(array.dtype) or array.dtype.kind == "c":
            super().__call__(array)
        else:
            self.check_dtype(array)
            array[...] = False if array.dtype.kind == "b" else np.iinfo(array.dtype).min


class Identity(Initializer):
    """Fill with scale · I, the identity matrix.

    Args:
        scale: On the diagonal.
        dtype: What the array is to have; None: ``config.dtype``.

    >>> kusari.initializers.generate_array(Identity(2), (2, 2), np)
    array([[2., 0.],
           [0., 2.]], dtype=float32)
    """

    def __init__(self, scale: float = 1.0, dtype: DTypeLike = None) -> None:
        super().__init__(dtype)
        self.scale = scale

    def __call__(self, array: HostArray) -> None:
        """Fill ``array`` in place.

        Raises:
            ValueError: Not a square matrix.
        """
        self.check_dtype(array)
        if array.ndim != 2 or array.shape[0] != array.shape[1]:
            raise ValueError(f"Identity: expected a square matrix, got shape {array.shape}")
        array[...] = np.eye(len(array)) * self.scale
