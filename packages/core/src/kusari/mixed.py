"""What `config.dtype` may hold: the host's dtype objects, and names of mixed precisions."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np

DTypeLike: TypeAlias = Any
"""Whatever `numpy.dtype` takes: a name, a scalar type, a dtype; also ``bfloat16`` as a name."""


class Mixed:
    """Name a mixed precision: compute in a 16-bit type, keep parameters in float32."""

    def __init__(self, name: str, compute: str) -> None:
        self.name = name
        self.compute = compute

    def __reduce__(self) -> str:
        return self.name  # the one object of that name, also in another process

    def __repr__(self) -> str:
        return f"dtype({self.name!r})"


mixed16: Final = Mixed("mixed16", "float16")
mixedbf16: Final = Mixed("mixedbf16", "bfloat16")


def host_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the host's dtype object for a name, a scalar type or a dtype.

    Raises:
        TypeError: Not a dtype, or ``bfloat16`` without the ml_dtypes package.

    >>> host_dtype("float32")
    dtype('float32')
    """
    if isinstance(dtype, str) and dtype == "bfloat16":  # NumPy's dtypes take 2 µs to be no such word
        try:
            import ml_dtypes
        except ImportError:
            raise TypeError("bfloat16 on the host needs the package ml_dtypes: pip install ml_dtypes") from None
        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype)


def dtype_or_mixed(dtype: DTypeLike) -> np.dtype[Any] | Mixed:
    """Return a mixed precision for its name or itself, and the host's dtype object for anything else.

    Raises:
        TypeError: Neither.

    >>> dtype_or_mixed("mixed16"), dtype_or_mixed("float64")
    (dtype('mixed16'), dtype('float64'))
    """
    if isinstance(dtype, Mixed):
        return dtype
    if isinstance(dtype, str) and dtype in (mixed16.name, mixedbf16.name):
        return mixed16 if dtype == mixed16.name else mixedbf16
    return host_dtype(dtype)
