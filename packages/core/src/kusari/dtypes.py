"""Data types: names, what counts as floating, and the mixed-precision names that a configuration may hold."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from kusari.configuration import config
from kusari.mixed import DTypeLike as DTypeLike
from kusari.mixed import Mixed as Mixed
from kusari.mixed import dtype_or_mixed
from kusari.mixed import host_dtype as host_dtype
from kusari.mixed import mixed16 as mixed16
from kusari.mixed import mixedbf16 as mixedbf16

STANDARD_NAMES: Final = (
    "bool",
    *("int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64"),
    *("complex64", "complex128"),
)
FLOATING_NAMES: Final = frozenset({"float16", "bfloat16", "float32", "float64"})


@functools.cache  # NumPy makes up the name of a dtype anew each time, in 3 µs
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
    found = dtype_or_mixed(dtype)
    if isinstance(found, Mixed):
        return host_dtype(found.compute if map_mixed16 is None else map_mixed16)
    return found
