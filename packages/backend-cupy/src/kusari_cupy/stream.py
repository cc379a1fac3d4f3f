"""CUDA's streams, events and timers in the words of the seam."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from kusari.backend import Event, Stream


class CupyStream:
    """A CUDA stream."""

    def __init__(self, cupy: ModuleType, native: Any) -> None:
        self._cupy = cupy
        self.native = native

    def synchronize(self) -> None:
        """Wait until everything queued so far is done."""
        self.native.synchronize()

    def wait(self, event: Event) -> None:
        """Let work queued from now on start only after ``event``, without waiting here if the event is CUDA's."""
        if isinstance(event, CupyEvent):
            self.native.wait_event(event.native)
        else:
            event.synchronize()


class CupyEvent:
    """A CUDA event. It belongs to the device that is current when it is made."""

    def __init__(self, cupy: ModuleType) -> None:
        self._cupy = cupy
        self.native = cupy.cuda.Event()

    def record(self, stream: Stream | None = None) -> None:
        """Mark this point of ``stream`` (None: the current one)."""
        if stream is not None and not isinstance(stream, CupyStream):
            raise TypeError(f"a CUDA event cannot be recorded in {stream!r}; give a stream of backend 'cupy', or None")
        self.native.record(self._cupy.cuda.get_current_stream() if stream is None else stream.native)

    def synchronize(self) -> None:
        """Wait until the marked point is reached."""
        self.native.synchronize()

    def elapsed_since(self, earlier: Event) -> float:
        """Return the seconds between ``earlier`` and this event, both reached.

        Raises:
            TypeError: ``earlier`` is not CUDA's.
        """
        if not isinstance(earlier, CupyEvent):
            raise TypeError(f"time can be taken between two CUDA events only; got {earlier!r}")
        return cast("float", self._cupy.cuda.get_elapsed_time(earlier.native, self.native)) / 1000


class CupyTimer:
    """Measure the current stream's time by two events."""

    def __init__(self, cupy: ModuleType) -> None:
        self._started, self._stopped = CupyEvent(cupy), CupyEvent(cupy)

    def start(self) -> None:
        """Mark the start in the current stream."""
        self._started.record()

    def stop(self) -> float:
        """Mark the end, wait until it is reached, and return the seconds since `start`."""
        self._stopped.record()
        self._stopped.synchronize()
        return self._stopped.elapsed_since(self._started)
