"""Worker processes as their owner sees them: tasks out, examples in, and what is said when one dies or hangs."""

from __future__ import annotations

import collections
import os
import pickle
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.configuration import config, global_config
from kusari.dtypes import Mixed
from kusari.iterators import worker
from kusari.iterators.shared import Layout, Packed, Segment, unpack
from kusari.iterators.start_method import context, one_thread_each

SMALL: Final = 1 << 15
"""Bytes that go through a pipe as fast as through shared memory."""
OUTSTANDING: Final = 2048
"""Indices that may wait in one worker's pipe: 20 KB, which no operating system's buffer refuses."""
GRACE: Final = 1.0
"""Seconds that workers have to end by themselves."""


class WorkerDied(RuntimeError):
    """A worker process ended while it was needed."""


class Chunk:
    """A part of a batch, fetched by one worker."""

    def __init__(self, indices: list[int], first_serial: int, seed: int, seed_every: int) -> None:
        self.indices = indices
        self.first_serial = first_serial
        self.seed = seed
        self.seed_every = seed_every
        self.worker: Worker | None = None
        self.forgotten = False
        self.examples: list[Any] | None = None
        self.error: BaseException | None = None


class _Sent(NamedTuple):
    chunk: Chunk
    segment: Segment | None


class Worker:
    """One process, the pipe to it, and the memory that it puts examples into."""

    def __init__(self, dataset: Segment, layout: Layout) -> None:
        start = context()
        self.connection, theirs = start.Pipe()
        self.reports, their_reports = start.Pipe(duplex=False)
        self.current = start.RawValue("q", worker.NOWHERE)
        arguments = (theirs, their_reports, dataset.name, layout, self.current)
        self.process = start.Process(target=worker.main, args=arguments, name="kusari-iterator", daemon=True)
        try:
            with one_thread_each():
                self.process.start()
        finally:
            theirs.close()
            their_reports.close()
        self.ready = False
        self.tasks_given = 0
        self.sent: dict[int, _Sent] = {}
        self._free: list[Segment] = []
        self._forget: list[str] = []

    @property
    def outstanding(self) -> int:
        """How many examples it has yet to fetch."""
        return sum(len(sent.chunk.indices) for sent in self.sent.values())

    def give(self, number: int, chunk: Chunk, size: int) -> None:
        """Send a task that needs about ``size`` bytes; 0: it is not known."""
        segment = self._segment(size) if size > SMALL else None
        self.sent[number] = _Sent(chunk, segment)
        self.tasks_given += 1
        chunk.worker = self
        name = None if segment is None else segment.name
        seeding = (chunk.first_serial, chunk.seed, chunk.seed_every)
        task = worker.Task(number, chunk.indices, *seeding, name, tuple(self._forget))
        self._forget.clear()
        self.connection.send(task)

    def _segment(self, size: int) -> Segment | None:
        """Return memory of at least ``size`` bytes; None where there is none left, and the pipe must do."""
        while self._free:
            segment = self._free.pop()
            if segment.memory.size >= size:
                return segment
            self._forget.append(segment.name)
            segment.close()
        try:
            return Segment(size)
        except OSError:
            return None

    def take(self, result: worker.Result) -> Any:
        """Return the examples of a result, and have its memory back."""
        segment = self.sent[result.number].segment
        try:
            if result.sent is not None:
                return unpack(result.sent, result.layout)
            assert segment is not None
            segment.unlink()  # the worker has attached by now
            return unpack(segment.memory.buf, result.layout)
        finally:
            self.drop(result.number)

    def drop(self, number: int) -> Chunk:
        """Have a task's memory back, whatever became of it."""
        chunk, segment = self.sent.pop(number)
        if segment is not None:
            self._free.append(segment)
        return chunk

    def where(self) -> str:
        """Return the traceback of what the worker is doing, or an empty text where it cannot be had."""
        if not self.ready or worker.WHERE_SIGNAL is None or self.process.pid is None:
            return ""
        os.kill(self.process.pid, worker.WHERE_SIGNAL)
        return self.report(0.5)

    def report(self, timeout: float) -> str:
        """Return what the worker wrote about itself."""
        text = b""
        while self.reports.poll(timeout):
            read = os.read(self.reports.fileno(), 1 << 16)
            if not read:
                break
            text, timeout = text + read, 0.05
        return text.decode(errors="replace").strip()

    def end(self) -> None:
        """Let it end: the next thing it does with the pipe fails."""
        self.connection.close()

    def bury(self, deadline: float) -> None:
        """Wait until it has ended, or end it; give its memory back."""
        for stop in (None, self.process.terminate, self.process.kill):
            if stop is not None:
                stop()
            self.process.join(max(0.0, deadline - time.monotonic()) if stop is None else GRACE)
            if self.process.exitcode is not None:
                break
        self.reports.close()
        for segment in (*self._free, *(sent.segment for sent in self.sent.values())):
            if segment is not None:
                segment.close()
        self._free, self.sent = [], {}
        self.process.close()


class WorkerPool:
    """Processes that share one dataset.

    Args:
        dataset: Anything that can be pickled. That is done once, and its arrays are in memory once for all workers.
        n_processes: How many.
        bytes_per_example: How much shared memory to have; None: as much as the examples turn out to need.
        tasks_per_worker: After so many tasks a worker is replaced by a new one; None: never.

    Raises:
        TypeError: The dataset cannot be pickled.
    """

    def __init__(
        self,
        dataset: Any,
        n_processes: int,
        bytes_per_example: int | None = None,
        tasks_per_worker: int | None = None,
    ) -> None:
        self.n_processes = n_processes
        self.broken = False
        """Whether a process ended on its own: all that is left to do is `close`."""
        self._tasks_per_worker = tasks_per_worker
        self._adapts = bytes_per_example is None
        self._bytes_per_example = bytes_per_example or 0
        self._queue: collections.deque[Chunk] = collections.deque()
        self._number = 0
        self._workers: list[Worker] = []
        self._retired: list[Worker] = []
        packed = _packed(dataset)
        self._layout = packed.layout
        self._dataset = Segment(packed.layout.total)
        try:
            packed.write(self._dataset.memory.buf)
            for _ in range(n_processes):
                self._workers.append(Worker(self._dataset, self._layout))
        except BaseException:
            self.close()
            raise

    def submit(self, indices: list[int], first_serial: int, seed: int) -> list[Chunk]:
        """Begin to fetch examples, in parts of about equal size; return these, in order."""
        # Seeding takes 15 µs: in large batches, whose examples are small, a few share one. It must not depend on the
        # number of workers; chunks begin where there is a seed.
        every = min(8, max(1, len(indices) // 16))
        share = min(-(-len(indices) // self.n_processes), OUTSTANDING)
        share = -(-share // every) * every
        parts = range(0, len(indices), share)
        chunks = [Chunk(indices[start : start + share], first_serial + start, seed, every) for start in parts]
        self._queue.extend(chunks)
        self._feed()
        return chunks

    def collect(self, chunks: list[Chunk], timeout: float | None, report: Callable[[str], None]) -> list[Any]:
        """Return the examples of `submit`, waiting for them.

        Args:
            chunks: What `submit` returned.
            timeout: After so many seconds without any of them, ``report`` is called, and again each time.
            report: Called with a text about what hangs, and where.

        Raises:
            WorkerDied: A process ended; the text says how, and what it was at.
        """
        for chunk in chunks:
            waited_since = time.monotonic()
            while chunk.examples is None and chunk.error is None:
                left = None if timeout is None else max(0.0, waited_since + timeout - time.monotonic())
                if self._receive(left):
                    continue
                if timeout is not None and time.monotonic() >= waited_since + timeout:
                    report(self._whereabouts(chunk, timeout))
                    waited_since = time.monotonic()
            if chunk.error is not None:
                raise chunk.error
        return [example for chunk in chunks for example in chunk.examples or ()]

    def forget(self, chunks: list[Chunk]) -> None:
        """Drop what was submitted: nobody will collect it."""
        for chunk in chunks:
            chunk.forgotten = True
        self._queue = collections.deque(chunk for chunk in self._queue if not chunk.forgotten)

    def close(self) -> None:
        """End all workers, and give all memory back."""
        workers = [*self._workers, *self._retired]
        self._workers, self._retired = [], []
        self._queue.clear()
        for process in workers:
            process.end()
        deadline = time.monotonic() + GRACE
        for process in workers:
            process.bury(deadline)
        self._dataset.close()

    def _feed(self) -> None:
        """Give waiting chunks to those who have least to do."""
        while self._queue:
            chunk = self._queue[0]
            free = min(self._workers, key=lambda process: process.outstanding)
            if free.sent and free.outstanding + len(chunk.indices) > OUTSTANDING:
                return
            self._queue.popleft()
            self._number += 1
            size = self._bytes_per_example * len(chunk.indices)
            try:
                free.give(self._number, chunk, size + size // 8 if self._adapts else size)
            except (BrokenPipeError, ConnectionResetError):
                raise self._obituary(free) from None
            if free.tasks_given == self._tasks_per_worker:
                self._workers.remove(free)
                self._retired.append(free)
                self._workers.append(Worker(self._dataset, self._layout))

    def _receive(self, timeout: float | None) -> bool:
        """Take what has come; return whether anything has."""
        of_connection = {process.connection: process for process in (*self._workers, *self._retired)}
        came = wait(list(of_connection), timeout)
        for connection in came:
            assert isinstance(connection, Connection)
            process = of_connection[connection]
            try:
                message = connection.recv()
            except (EOFError, OSError):
                raise self._obituary(process) from None
            except BaseException:  # Ctrl-C: half a message may be left in the pipe
                self.broken = True
                raise
            self._take(process, message)
            if process in self._retired and not process.sent:
                self._retired.remove(process)
                process.end()
                process.bury(time.monotonic() + GRACE)
        self._feed()
        return bool(came)

    def _take(self, process: Worker, message: Any) -> None:
        if isinstance(message, worker.Ready):
            process.ready = True
            if self._tasks_per_worker is None and all(other.ready for other in self._workers):
                self._dataset.unlink()  # all have attached
        elif isinstance(message, worker.Failure):
            error = _carried(message, process)
            if message.number is None:
                self.broken = True
                raise error
            process.drop(message.number).error = error
        elif process.sent[message.number].chunk.forgotten:
            process.drop(message.number)
        else:
            chunk = process.sent[message.number].chunk
            if self._adapts:
                needed = -(-message.layout.total // len(chunk.indices))
                self._bytes_per_example = max(self._bytes_per_example, needed)
            chunk.examples = process.take(message)

    def _whereabouts(self, chunk: Chunk, timeout: float) -> str:
        process = chunk.worker
        if process is None:
            return f"no worker has been free for {timeout:g} s"
        pid = process.process.pid
        if not process.ready:
            return f"worker process {pid} has not loaded the dataset within {timeout:g} s"
        at = process.current.value
        text = f"worker process {pid} has been silent for {timeout:g} s"
        text += "" if at == worker.NOWHERE else f", at dataset[{at}]"
        where = process.where()
        return f"{text}; there it is:\n{where}" if where else text

    def _obituary(self, process: Worker) -> WorkerDied:
        self.broken = True
        process.process.join(GRACE)
        code, at = process.process.exitcode, process.current.value
        how = f"ended with exit code {code}" if code is None or code >= 0 else f"was killed by {_signal_name(-code)}"
        if code == -signal.SIGTERM or code == -getattr(signal, "SIGKILL", 0):
            how += " (by someone, or by the system for want of memory)"
        what = f" at dataset[{at}]" if at != worker.NOWHERE else ""
        if not process.ready:
            what = (
                " before it had loaded the dataset; what it printed above says more. A script that uses worker "
                'processes must do so under `if __name__ == "__main__":`'
            )
        report = process.report(0.05)
        return WorkerDied(
            f"worker process {process.process.pid} {how}{what}" + (f"; its last words:\n{report}" if report else "")
        )


def _packed(dataset: Any) -> Packed:
    plain = bool | int | float | str | None | Mixed | np.dtype
    settings = {name: getattr(config, name) for name in global_config._values}
    settings = {name: value for name, value in settings.items() if isinstance(value, plain)}
    try:
        return Packed((dataset, settings))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise TypeError(
            f"the dataset cannot be sent to worker processes: {error}. Define its class and its functions at the top "
            "level of a module (a lambda cannot be pickled), and open files when they are first read"
        ) from error


def _carried(failure: worker.Failure, process: Worker) -> BaseException:
    place = "while the dataset was loaded" if failure.number is None else f"in dataset[{failure.at}]"
    if failure.at == worker.NOWHERE and failure.number is not None:
        place = "while examples were packed"
    note = f"{place}, in worker process {process.process.pid}:\n{failure.text}"
    error = failure.error
    if error is None:
        return RuntimeError(f"an exception that cannot be pickled was raised {note}")
    error.add_note(note)
    return error


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
