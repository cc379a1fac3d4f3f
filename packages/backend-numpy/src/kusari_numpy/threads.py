"""One pool of threads for all kernels: fixed chunks of work.

Two pools that do not know of each other, BLAS's and ours, fight for the cores: a layer of 8 ms on one thread took
32 ms on two. So no piece of work calls BLAS, which has its own threads for single large products only;
``KUSARI_NUM_THREADS`` limits both.
"""

from __future__ import annotations

import contextvars
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from kusari_numpy.board import new_board
from kusari_numpy.helper import Helper

ENVIRONMENT_VARIABLE: Final = "KUSARI_NUM_THREADS"
PAUSE: Final = 0.0002
"""Seconds that a caller sleeps at a time while a loop takes another thread much longer."""
TURNS: Final = 8
"""Counters that a kernel call has: a cache line of them."""


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ThreadPool:
    """Threads that share the work of one kernel call, each in the caller's context: `numpy.errstate` holds there, too.

    The pool serves one caller at a time: a kernel that another thread calls meanwhile, or one called from within a
    piece of work, runs on its own thread, so there are never more threads at work than asked for plus callers.

    Args:
        size: The number of threads, the caller's included; None: ``KUSARI_NUM_THREADS``, or the usable cores.

    Raises:
        ValueError: Not a positive number.
    """

    def __init__(self, size: int | None = None) -> None:
        self._size = self._asked() if size is None else size
        if self._size < 1:
            raise ValueError(f"the number of threads is {self._size}; expected 1 or more")
        self._busy = threading.Lock()
        self._board = new_board(self._size - 1)
        self._helpers: list[Helper] = []

    @staticmethod
    def _asked() -> int:
        text = os.environ.get(ENVIRONMENT_VARIABLE)
        if text is None:
            return usable_cores()
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"{ENVIRONMENT_VARIABLE}={text!r}; expected a number of threads, 1 or more")
        return int(text)

    @property
    def size(self) -> int:
        """The number of threads, the caller's included."""
        return self._size

    def run(self, work: Callable[[int], Any], count: int) -> None:
        """Call ``work(0)`` … ``work(count - 1)``, each once, in any order, and wait for all.

        What each piece computes must not depend on which thread runs it; then results do not depend on the size of
        the pool.

        Raises:
            BaseException: The first error of a piece; those not begun are left out.
        """
        helpers = min(self._size, count) - 1
        if helpers < 1 or not self._busy.acquire(blocking=False):
            for index in range(count):
                work(index)
            return
        try:
            self._share(work, count, self._ready(helpers))
        finally:
            self._busy.release()

    def take_turns(self, loop: Callable[..., int], operands: Iterable[Any], threads: int) -> None:
        """Call ``loop(*operands, turns)`` once in each thread, so many at most: it takes pieces of work from counters.

        Where threads come back to the interpreter for each piece, as with `run`, they wait for its lock; helpers that
        look at the board need none.

        Args:
            loop: Compiled; see `kusari_numpy.compiled.together`.
            operands: What it takes.
            threads: See `sharing`.

        Raises:
            MemoryError: Another thread had an error; a loop has no other.
        """
        operands, helpers = (*operands, new_turns()), min(threads, self._size) - 1
        if helpers < 1 or not self._busy.acquire(blocking=False):
            loop(self._board, 0, *operands)
            return
        try:
            others = self._ready(helpers)
            if others[0].runs_loops:
                self._share_loop(loop, operands, others)
            else:
                self._share(lambda _: loop(self._board, 0, *operands), threads, others)
        finally:
            self._busy.release()

    def _share_loop(self, loop: Callable[..., int], operands: Iterable[Any], others: Sequence[Helper]) -> None:
        from kusari_numpy.compiled.together import AT_WORK, ERROR, settled

        for other in others:
            other.get_ready()
        state = AT_WORK
        try:
            state = loop(self._board, len(others), *operands)
        finally:
            while state == AT_WORK:  # the operands must not be given up before
                time.sleep(PAUSE)
                state = settled(self._board, len(others))
        if state == ERROR:
            raise MemoryError("a compiled loop ended in an error in another thread: there was no memory for it")

    def sharing(self, pieces: int) -> int:
        """Return how many threads share so many pieces of work."""
        return max(1, min(pieces, self._size))

    def _ready(self, count: int) -> list[Helper]:
        """Return so many helpers."""
        if not self._helpers:
            patient = self._size <= usable_cores()
            self._helpers = [Helper(f"kusari-{number}", patient, row) for number, row in enumerate(self._board, 1)]
        return self._helpers[:count]

    def _share(self, work: Callable[[int], Any], count: int, others: Sequence[Helper]) -> None:
        pieces = itertools.count()
        stopped = False

        def take() -> None:
            nonlocal stopped
            try:
                while not stopped and (index := next(pieces)) < count:  # next() on a count is atomic
                    work(index)
            except BaseException:
                stopped = True
                raise

        for other in others:
            other.begin(partial(contextvars.copy_context().run, take))
        try:
            take()
        finally:
            errors = [other.finish() for other in others]  # the arrays must not be used afterwards
        for error in errors:
            if error is not None:
                raise error

    def close(self) -> None:
        """End the threads. The next work starts new ones."""
        helpers, self._helpers = self._helpers, []
        self._board = new_board(self._size - 1)
        for helper in helpers:
            helper.end()


def new_turns() -> np.ndarray[Any, Any]:
    """Return counters for `kusari_numpy.compiled.turns`."""
    return np.zeros(TURNS, np.int64)


def limit_blas(number: int) -> None:
    """Let every BLAS in the process have so many threads; without threadpoolctl, as many as it likes."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return
    threadpool_limits(number, user_api="blas")


class _Current:
    """The pool in use; made when first asked for, and anew in a forked child, which has none of the threads."""

    def __init__(self) -> None:
        self._pool: ThreadPool | None = None

    def get(self) -> ThreadPool:
        if self._pool is None:
            self._pool = ThreadPool()
            if ENVIRONMENT_VARIABLE in os.environ:
                limit_blas(self._pool.size)
        return self._pool

    def set(self, pool: ThreadPool | None) -> None:
        self._pool = pool

    def forget(self) -> None:
        """After a fork: the child has not the threads."""
        self._pool = None


_current: Final = _Current()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_current.forget)


def pool() -> ThreadPool:
    """Return the pool that all kernels share."""
    return _current.get()


def get_num_threads() -> int:
    """Return the number of threads that kernels use."""
    return pool().size


def set_num_threads(number: int) -> None:
    """Set the number of threads that kernels use from now on. Results do not depend on it.

    BLAS, which computes single large matrix products, has a number of its own; those results may depend on it.

    Args:
        number: 1 or more. At the start it is ``KUSARI_NUM_THREADS``, or the number of usable cores.

    Raises:
        ValueError: Not a positive number.

    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    new = ThreadPool(number)
    old = _current.get()
    _current.set(new)
    old.close()
