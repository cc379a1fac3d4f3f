"""Objects in shared memory: pickled once, their arrays outside the pickle, so that whoever unpickles need not copy."""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import secrets
import sys
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Final, NamedTuple

_ALIGNMENT: Final = 64
"""Bytes: a cache line, and no less than any dtype asks for."""


class Layout(NamedTuple):
    """Where things are in a segment: the pickle first, then the arrays' bytes."""

    pickled: int
    """Length of the pickle."""
    arrays: tuple[tuple[int, int], ...]
    """Start and length of each."""
    total: int


class Packed:
    """An object taken apart into a pickle and the memory of its arrays, which is not copied until `write`.

    >>> packed = Packed([np.arange(3), "label"])
    >>> memory = bytearray(packed.layout.total)
    >>> packed.write(memory)
    >>> unpack(memory, packed.layout)
    [array([0, 1, 2]), 'label']
    """

    def __init__(self, value: Any) -> None:
        buffers: list[pickle.PickleBuffer] = []
        self._pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        self._arrays = [buffer.raw() for buffer in buffers]
        position, places = len(self._pickled), []
        for array in self._arrays:
            start = -(-position // _ALIGNMENT) * _ALIGNMENT
            places.append((start, array.nbytes))
            position = start + array.nbytes
        self.layout = Layout(len(self._pickled), tuple(places), position)

    def write(self, memory: Any) -> None:
        """Copy everything into ``memory``, a writable buffer of at least ``layout.total`` bytes."""
        with memoryview(memory) as view:
            view[: len(self._pickled)] = self._pickled
            for (start, length), array in zip(self.layout.arrays, self._arrays, strict=True):
                view[start : start + length] = array


def unpack(memory: Any, layout: Layout) -> Any:
    """Return a copy of the object that `Packed.write` wrote: each array has memory of its own."""
    with memoryview(memory) as view:
        arrays = [bytearray(view[start : start + length]) for start, length in layout.arrays]
        return pickle.loads(view[: layout.pickled], buffers=arrays)


def map_object(segment: SharedMemory, layout: Layout) -> Any:
    """Return the object in a segment, its arrays still there: pages that are written to become this process's own.

    Many processes so have one copy between them, of which each sees only its own changes, as after a fork.
    """
    descriptor: int = getattr(segment, "_fd", -1)
    # Where the operating system has no such descriptor, the arrays are shared with their changes.
    memory: Any = segment.buf if descriptor < 0 else mmap.mmap(descriptor, segment.size, access=mmap.ACCESS_COPY)
    view = memoryview(memory)
    return pickle.loads(
        view[: layout.pickled], buffers=[view[start : start + length] for start, length in layout.arrays]
    )


def attach(name: str) -> SharedMemory:
    """Open a segment that belongs to another process, which will remove it."""
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    with _untracked():
        return SharedMemory(name)


@contextlib.contextmanager
def _untracked() -> Iterator[None]:
    """Keep older Pythons from registering an attached segment, as if this process were to remove it."""
    register = resource_tracker.register

    def ignore(name: Any, rtype: str) -> None:
        if rtype != "shared_memory":
            register(name, rtype)

    resource_tracker.register = ignore
    try:
        yield
    finally:
        resource_tracker.register = register


class Segment:
    """A segment of this process's own: its name is removed as early as can be, its memory when it is closed.

    Raises:
        OSError: There is not so much shared memory.

    >>> segment = Segment(10)
    >>> segment.memory.size >= 10
    True
    >>> segment.close()
    """

    def __init__(self, size: int) -> None:
        # Named after the process, so that whoever finds one knows whose it is.
        self.name = f"kusari-{os.getpid()}-{secrets.token_hex(4)}"
        self.memory = SharedMemory(self.name, create=True, size=size)
        self._named = True
        try:
            _reserve(self.memory, size)
        except OSError as error:
            self.close()
            raise OSError(
                error.errno,
                f"no shared memory for {size / 1e6:.1f} MB ({error.strerror}); a container gets more with "
                "--shm-size=8g or --ipc=host",
            ) from error

    def unlink(self) -> None:
        """Remove the name: nobody else can attach, and whatever ends this process leaves nothing behind."""
        if self._named:
            self._named = False
            self.memory.unlink()

    def close(self) -> None:
        """Remove the name, and give the memory back once no other process has it."""
        self.unlink()
        self.memory.close()


def _reserve(memory: SharedMemory, size: int) -> None:
    """Have the memory now: where there is too little of it, writing would end the process by SIGBUS later."""
    descriptor: int = getattr(memory, "_fd", -1)
    if descriptor >= 0 and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
