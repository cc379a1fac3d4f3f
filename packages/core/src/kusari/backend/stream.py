"""Streams, events and timers: the words for a device that works on after a call returned, and the host's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kusari.backend.backend import Backend


class Stream(Protocol):
    """A queue of work on a device."""

    def synchronize(self) -> None:
        """Wait until everything queued so far is done."""

    def wait(self, event: Event) -> None:
        """Let work queued from now on start only after ``event``."""


class Event(Protocol):
    """A marker in a stream."""

    def record(self, stream: Stream | None = None) -> None:
        """Mark this point of ``stream`` (None: the current one)."""

    def synchronize(self) -> None:
        """Wait until the marked point is reached."""

    def elapsed_since(self, earlier: Event) -> float:
        """Return the seconds between ``earlier`` and this event, both reached."""


class Timer(Protocol):
    """A stopwatch in a device's own time."""

    def start(self) -> None:
        """Start, or start again."""

    def stop(self) -> float:
        """Return the seconds since `start`, waiting for the device where it must."""


class HostStream:
    """The host's stream: work is done when the call returns."""

    def synchronize(self) -> None:
        """Return at once: nothing is pending."""

    def wait(self, event: Event) -> None:
        """Wait for ``event``, which may be another device's."""
        event.synchronize()


class HostEvent:
    """The host's event: a time of its clock.

    >>> first, second = HostEvent(), HostEvent()
    >>> first.record()
    >>> second.record()
    >>> second.elapsed_since(first) >= 0
    True
    """

    def __init__(self) -> None:
        self.time: float | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Remember the time."""
        self.time = time.perf_counter()

    def synchronize(self) -> None:
        """Return at once: the point was reached when it was recorded."""

    def elapsed_since(self, earlier: Event) -> float:
        """Return the seconds since ``earlier``.

        Raises:
            RuntimeError: One of the two was not recorded, or ``earlier`` is not the host's.
        """
        if not isinstance(earlier, HostEvent) or earlier.time is None or self.time is None:
            raise RuntimeError("elapsed_since() needs two recorded host events; call record() on both first")
        return self.time - earlier.time


class WallTimer:
    """Measure wall-clock time around a synchronized device.

    >>> timer = WallTimer(get_backend("numpy"))
    >>> timer.start()
    >>> timer.stop() >= 0
    True
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._started = 0.0

    def start(self) -> None:
        """Wait for the device, then start."""
        self._backend.synchronize()
        self._started = time.perf_counter()

    def stop(self) -> float:
        """Wait for the device, then return the seconds since `start`."""
        self._backend.synchronize()
        return time.perf_counter() - self._started
