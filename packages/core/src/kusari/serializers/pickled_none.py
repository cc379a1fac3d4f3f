"""Recognizing the one pickle that old files hold: a 0-d array of objects with None in it. Nothing is unpickled."""

from __future__ import annotations

import functools
import pickle
import pickletools
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

Operations: TypeAlias = tuple[tuple[str, Any], ...]

LONGEST = 1024
"""More bytes than any version of NumPy has ever written for it: they are 145 to 191."""

_BOOKKEEPING = frozenset(["PROTO", "FRAME", "MEMOIZE", "BINPUT"])


def is_pickled_none(data: bytes) -> bool:
    """Tell whether ``data`` is the pickle of ``np.array(None, dtype=object)``, opcode by opcode.

    >>> import pickle
    >>> is_pickled_none(pickle.dumps(np.array(None, dtype=object)))
    True
    >>> is_pickled_none(pickle.dumps(np.array([None], dtype=object)))
    False
    """
    if len(data) > LONGEST:
        return False
    try:
        operations = tuple(_operations(data))
    except Exception:  # noqa: BLE001 - what pickletools raises for bytes that are no pickle is not documented
        return False
    # Only what dumps() wrote, to the last byte: nothing may follow the end.
    return operations in _expected() and data.endswith(pickle.STOP)


@functools.cache
def _expected() -> frozenset[Operations]:
    """Return what NumPy writes, in each of the pickle protocols that its versions have used."""
    value = np.array(None, dtype=object)
    return frozenset(tuple(_operations(pickle.dumps(value, protocol))) for protocol in (2, 3, 4, 5))


def _operations(data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the opcodes with their arguments, without bookkeeping; NumPy 2 renamed the module of its array type."""
    end = -1
    for opcode, argument, position in pickletools.genops(data):
        if opcode.name not in _BOOKKEEPING:
            yield opcode.name, argument.replace("._core.", ".core.") if isinstance(argument, str) else argument
        end = position or 0
    if end != len(data) - 1:
        raise ValueError("bytes after the end of the pickle")
