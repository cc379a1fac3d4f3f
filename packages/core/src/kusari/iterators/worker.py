"""What runs in a worker process: fetch the examples it is told, put them where they can be picked up."""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import pickle
import random
import signal
import traceback
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.backend import seed
from kusari.configuration import global_config
from kusari.iterators.shared import Layout, Packed, attach, map_object

NOWHERE: Final = -1
"""The index that a worker is at while it is at none."""
WHERE_SIGNAL: Final = getattr(signal, "SIGUSR1", None)
"""Makes a worker write where it is, even when it hangs in C; None where there are no such signals."""


class Task(NamedTuple):
    """Examples to fetch."""

    number: int
    indices: list[int]
    first_serial: int
    seed: int
    seed_every: int
    """How many examples share their random streams."""
    segment: str | None
    """Where to put them; None, or when it is too small: send them."""
    forget: tuple[str, ...]
    """Segments that are not used any more."""


class Ready(NamedTuple):
    """The worker has its dataset."""


class Result(NamedTuple):
    """Examples that were fetched."""

    number: int
    layout: Layout
    sent: bytearray | None
    """The bytes, where they are not in the task's segment."""


class Failure(NamedTuple):
    """What the dataset raised."""

    number: int | None
    """The task; None: the dataset could not be loaded."""
    at: int
    """The example's index; NOWHERE: it was not the dataset."""
    error: BaseException | None
    """None when it cannot be pickled."""
    text: str


def main(connection: Connection, reports: Connection, dataset: str, layout: Layout, current: Any) -> None:
    """Serve tasks until the connection closes.

    Args:
        connection: Tasks come and results go here.
        reports: Where tracebacks of crashes go, as plain bytes.
        dataset: The segment that has the pickled dataset, and the caller's configuration as a dict.
        layout: How it lies there.
        current: A shared number: the index of the example in work.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's, who ends the workers
    if WHERE_SIGNAL is not None:
        faulthandler.enable(reports.fileno())
        faulthandler.register(WHERE_SIGNAL, reports.fileno())
    # glibc takes a large block that was freed as the measure of what to keep: else it gives the memory of small arrays
    # back after each batch, and gets it anew page by page.
    bytearray(1 << 24)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the caller has closed, or is gone
        try:
            segment = attach(dataset)
            examples, settings = map_object(segment, layout)
            for name, value in settings.items():
                setattr(global_config, name, value)
        except BaseException as error:  # noqa: BLE001 - carried over to the caller
            connection.send(_failure(None, NOWHERE, error))
            return
        connection.send(Ready())
        segments: dict[str, SharedMemory] = {}
        while True:
            connection.send(_run(examples, connection.recv(), segments, current))


def _run(dataset: Any, task: Task, segments: dict[str, SharedMemory], current: Any) -> Result | Failure:
    for name in task.forget:
        if name in segments:
            segments.pop(name).close()
    index = NOWHERE
    try:
        examples = []
        for place, index in enumerate(task.indices):
            current.value = index
            if place % task.seed_every == 0:
                seed_streams(task.seed, task.first_serial + place)
            examples.append(dataset[index])
        index = current.value = NOWHERE
        packed = Packed(examples)
        layout = packed.layout
        if task.segment is not None:
            if task.segment not in segments:
                segments[task.segment] = attach(task.segment)
            if layout.total <= segments[task.segment].size:
                packed.write(segments[task.segment].buf)
                return Result(task.number, layout, None)
        sent = bytearray(layout.total)
        packed.write(sent)
        return Result(task.number, layout, sent)
    except BaseException as error:  # noqa: BLE001 - carried over to the caller
        return _failure(task.number, index, error)


def seed_streams(base: int, serial: int) -> None:
    """Seed every host stream for an example, so that its random numbers depend on nothing else.

    Neither on which worker fetches it, nor on how many there are, nor on where the program was resumed.
    """
    # 1 µs, where NumPy's SeedSequence with a spawn key takes 20. All in all it is 15 µs.
    digest = hashlib.blake2b(b"%d %d" % (base, serial), digest_size=16).digest()
    words = [int.from_bytes(digest[start : start + 4], "little") for start in (0, 4, 8)]
    random.seed(words[0])
    np.random.seed(words[1])  # noqa: NPY002 - datasets draw from it
    seed(words[2])


def _failure(number: int | None, index: int, error: BaseException) -> Failure:
    text = "".join(traceback.format_exception(error))
    try:
        carried = pickle.loads(pickle.dumps(error))  # some can be pickled and not unpickled
    except Exception:  # noqa: BLE001 - what pickling a stranger's exception raises cannot be known
        carried = None
    return Failure(number, index, carried if isinstance(carried, BaseException) else None, text)
