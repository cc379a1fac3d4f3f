"""Running a host kernel's reference from another memory: arrays to the host, the definition there, results back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from kusari.backend.backend import Backend
    from kusari.backend.kernel import Kernel


@functools.cache
def host_backend() -> Backend:
    """Return the portable backend over host arrays that references run on, whatever plugins are installed."""
    from kusari.backend.backend import Backend

    return Backend("host", np, (np.ndarray,))


def as_host_array(array: Any, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
    """Return an array of any library as NumPy's where it offers that itself: by ``__array__``, or as a buffer.

    Raises:
        TypeError: It does not: its memory may be a device's.
    """
    if not (hasattr(array, "__array__") or hasattr(array, "__buffer__")):
        raise TypeError(f"{type(array).__name__} offers neither __array__ nor a buffer")
    return np.asarray(array, dtype=dtype, copy=copy)


def through_host(kernel: Kernel[..., Any]) -> Callable[..., Any]:
    """Return an implementation of a host kernel for a backend whose arrays are elsewhere."""

    @functools.wraps(kernel.portable)
    def implementation(backend: Backend, *args: Any, **kwargs: Any) -> Any:
        arrays = [value for value in (*args, *kwargs.values()) if isinstance(value, backend.array_types)]
        index = backend.index_of(arrays[0]) if arrays else 0

        def to_host(value: Any) -> Any:
            return backend.to_host(value) if isinstance(value, backend.array_types) else value

        def from_host(value: Any) -> Any:
            return backend.from_host(np.asarray(value), index) if isinstance(value, np.ndarray | np.generic) else value

        made = kernel.portable(host_backend(), *map(to_host, args), **{k: to_host(v) for k, v in kwargs.items()})
        return tuple(map(from_host, made)) if isinstance(made, tuple) else from_host(made)

    return implementation
