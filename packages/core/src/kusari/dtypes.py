"""Data types: names, what counts as floating, and the mixed-precision names that a configuration may hold."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np

from kusari.configuration import config

DTypeLike: TypeAlias = Any
"""Whatever `numpy.dtype` takes: a name, a scalar type, a dtype; also ``bfloat16`` as a name."""

STANDARD_NAMES: Final = (
    "bool",
    *("int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64"),
    *("complex64", "complex128"),
)
FLOATING_NAMES: Final = frozenset({"float16", "bfloat16", "float32", "float64"})


class Mixed:
    """Name a mixed precision: compute in a 16-bit type, keep parameters in float32."""

    def __init__(self, name: str, compute: str) -> None:
        self.name = name
        self.compute = compute

    def __repr__(self) -> str:
        return f"dtype({self.name!r})"


mixed16: Final = Mixed("mixed16", "float16")
mixedbf16: Final = Mixed("mixedbf16", "bfloat16")
_MIXED: Final = {mixed16.name: mixed16, mixedbf16.name: mixedbf16}


def host_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the host's dtype object for a name, a scalar type or a dtype.

    Raises:
        TypeError: Not a dtype, or ``bfloat16`` without the ml_dtypes package.

    >>> host_dtype("float32")
    dtype('float32')
    """
    if dtype == "bfloat16":
        try:
            import ml_dtypes
        except ImportError:
            raise TypeError("bfloat16 on the host needs the package ml_dtypes: pip install ml_dtypes") from None
        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype)


def is_floating(dtype: Any) -> bool:
    """Tell whether a dtype is real floating, bfloat16 included.

    The one test to use: bfloat16 has ``kind`` 'V' on the host.

    >>> is_floating(host_dtype("float16")), is_floating(host_dtype("int32"))
    (True, False)
    """
    return getattr(dtype, "name", None) in FLOATING_NAMES


def get_dtype(dtype: DTypeLike = None, map_mixed16: DTypeLike = None) -> np.dtype[Any]:
    """Return a dtype, or the configured one for None.

    Args:
        dtype: A dtype, ``mixed16``, ``mixedbf16``, or None for ``config.dtype``.
        map_mixed16: What a mixed precision stands for here (float32 for parameters, say); None: its compute type.

    >>> get_dtype()
    dtype('float32')
    >>> get_dtype(mixed16), get_dtype(mixed16, map_mixed16="float32")
    (dtype('float16'), dtype('float32'))
    """
    if dtype is None:
        dtype = config.dtype
    mixed = dtype if isinstance(dtype, Mixed) else _MIXED.get(dtype) if isinstance(dtype, str) else None
    if mixed is not None:
        return host_dtype(mixed.compute if map_mixed16 is None else map_mixed16)
    return host_dtype(dtype)
