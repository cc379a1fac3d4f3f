"""Devices: a memory and the kernels that run on it. Interned; copied and pickled as themselves."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from kusari.backend.backend import Backend
from kusari.backend.discovery import get_backend

_lock: Final = threading.Lock()


class Memory(NamedTuple):
    """What arrays must share to meet: a root backend and a device index of it."""

    root: str
    number: int


class Device:
    """A memory (``cupy:0``) and the kernels in force there (``triton:0`` is the memory cupy:0 under triton's).

    Get one from `get_device`. Two devices of one name are the same object.
    """

    __slots__ = ("__weakref__", "always_current", "backend", "index", "memory", "name", "pinned")
    _interned: ClassVar[dict[tuple[str, bool], Device]] = {}

    backend: Backend
    """Whose kernels run, unless `use_backend` says otherwise."""
    always_current: bool
    """True where no call ever needs the device made current first: the host, and libraries without such a state."""
    index: int
    memory: Memory
    name: str
    pinned: bool
    """False for the label that ``KUSARI_BACKEND`` gives to bare arrays: it yields to an explicit one."""

    def __new__(cls, backend: Backend, index: int = 0, pinned: bool = True) -> Device:
        """Return the one device of ``backend`` and ``index``."""
        name = backend.name if backend.on_host else f"{backend.name}:{index}"
        found = cls._interned.get((name, pinned))
        if found is not None and found.backend is backend:
            return found
        backend.device(index)  # raises where there is none
        with _lock:
            found = cls._interned.get((name, pinned))
            if found is not None and found.backend is backend:  # another thread's, made meanwhile
                return found
            self = super().__new__(cls)
            self.backend, self.index, self.name, self.pinned = backend, index, name, pinned
            self.memory = Memory(backend.root.name, index)
            self.always_current = type(backend).is_current is Backend.is_current
            cls._interned[name, pinned] = self
            return self

    @property
    def xp(self) -> Any:
        """The array module."""
        return self.backend.xp

    @property
    def supported_array_types(self) -> tuple[type, ...]:
        """The classes of arrays that live here."""
        return self.backend.array_types

    @property
    def native(self) -> Any:
        """The library's own device object, as ``xp.zeros(device=...)`` takes it."""
        return self.backend.device(self.index)

    def holds(self, array: Any) -> bool:
        """Tell whether ``array`` lives in this device's memory."""
        return isinstance(array, self.backend.array_types) and self.backend.index_of(array) == self.index

    is_array_supported = holds

    def send(self, arrays: Any) -> Any:
        """Return arrays copied here; one that lives here already is returned as it is.

        Args:
            arrays: An array, or a list or tuple of arrays; None stays None.

        Raises:
            TypeError: Not an array of any backend.

        >>> from kusari.backend import get_device
        >>> array = np.ones(3)
        >>> get_device("numpy").send(array) is array
        True
        """
        from kusari.backend.selection import device_of_array

        if isinstance(arrays, list | tuple):
            return type(arrays)([self.send(array) for array in arrays])
        if arrays is None or self.holds(arrays):
            return arrays
        source = device_of_array(arrays)
        if source.memory.root == self.memory.root:
            return self.backend.transfer(arrays, self.index)
        host = arrays if isinstance(arrays, np.ndarray) else source.backend.to_host(arrays)
        return self.backend.from_host(host, self.index)

    def use(self) -> None:
        """Make this the library's current device for the rest of the process."""
        self.create_context().__enter__()

    def create_context(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which this is the library's current device."""
        return self.backend.use(self.index)

    def __enter__(self) -> None:
        raise RuntimeError("a Device is not a context manager; write with using_device(device): instead")

    def __exit__(self, *_: object) -> None: ...

    def __reduce__(self) -> Any:
        return _restore, (self.backend.name, self.index, self.pinned)

    def __copy__(self) -> Device:
        return self

    def __deepcopy__(self, memo: Any) -> Device:
        return self

    def __repr__(self) -> str:
        return f"<device {self.name}>"

    def __str__(self) -> str:
        return self.name


def _restore(name: str, index: int, pinned: bool) -> Device:
    return Device(get_backend(name), index, pinned)
