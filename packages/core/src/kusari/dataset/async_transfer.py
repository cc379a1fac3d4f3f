"""Sending the next batch to a device while it works on the last one."""

from __future__ import annotations

import collections
import contextlib
from typing import Any, NamedTuple

from kusari.backend import Device, Event, Stream, get_device
from kusari.backend.selection import DeviceLike
from kusari.dataset.convert import Converter, concat_examples


class _InFlight(NamedTuple):
    """A batch that the device may still be reading or waiting for."""

    sources: Any
    arrays: Any
    copied: Event


class ConcatWithAsyncTransfer(Converter):
    """Do what `concat_examples` does, without waiting for the transfer.

    The copy is queued and the call returns; the stream that computes waits for it, not the host. With a stream of its
    own the copy also runs beside the work on the batch before. Give each converter to one updater.

    Args:
        stream: A stream of the device's library, such as a ``cupy.cuda.Stream``, to copy on. Default: the one that is
            current in the call, where the copy comes after the work that was queued before it.
        compute_stream: The stream that the model runs on. Default: the one that is current in the call.

    >>> convert = ConcatWithAsyncTransfer()
    >>> convert([(np.zeros(2), 0), (np.ones(2), 1)], "numpy")
    (array([[0., 0.],
            [1., 1.]]), array([0, 1]))
    """

    def __init__(self, stream: Any = None, compute_stream: Any = None) -> None:
        self.stream = stream
        self.compute_stream = compute_stream
        self._in_flight: collections.deque[_InFlight] = collections.deque()
        self._queued: Event | None = None
        self._device: Device | None = None

    def __call__(self, batch: Any, device: DeviceLike = None, padding: Any = None) -> Any:
        """Return the batch as arrays on a device, to which they may still be on their way.

        Args:
            batch: A list of examples.
            device: One device in all calls; None or the host: there is nothing to transfer.
            padding: As for `concat_examples`.

        Raises:
            ValueError: Another device than in the call before.
        """
        target = None if device is None else get_device(device)
        if target is None or target.backend.on_host:
            return concat_examples(batch, target, padding=padding)
        if self._device not in (None, target):
            raise ValueError(f"one converter serves one device: this one began with {self._device}, got {target}")
        self._device = target
        backend, index = target.backend, target.index
        sources = concat_examples(batch, get_device(-1), padding=padding)
        with backend.use(index):
            with _current(self.compute_stream):
                computing = backend.current_stream(index)
            with _current(self.stream):
                copying = backend.current_stream(index)
                self._let_go(copying)
                self._queued = backend.event()
                self._queued.record(computing)
                arrays = _mapped(lambda source: backend.from_host(source, index, non_blocking=True), sources)
                copied = backend.event()
                copied.record(copying)
            computing.wait(copied)
        self._in_flight.append(_InFlight(sources, arrays, copied))
        return arrays

    def _let_go(self, copying: Stream) -> None:
        """Drop the batch before last, whose memory the copy may be given, once the model has read it.

        What was queued until the last call is all that reads it: waiting for more would end the overlap.
        """
        if len(self._in_flight) < 2 or self._queued is None:
            return
        copying.wait(self._queued)
        done = self._in_flight.popleft()
        done.copied.synchronize()  # a source must not change or go while it is read


def _current(stream: Any) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which a library's stream is the current one; None: the one that is."""
    return contextlib.nullcontext() if stream is None else stream


def _mapped(function: Any, values: Any) -> Any:
    if isinstance(values, tuple):
        return tuple(function(value) for value in values)
    if isinstance(values, dict):
        return {key: function(value) for key, value in values.items()}
    return function(values)
