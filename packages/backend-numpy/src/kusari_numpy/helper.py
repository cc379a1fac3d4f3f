"""A thread that helps with one task at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from kusari_numpy.compiled_available import installed
from kusari_numpy.cores import core, keep_off

LOOKS: Final = 20_000
"""How often one looks for the next task before falling asleep: for 1 ms where a pause takes 140 cycles, else less.

Shared work that was next to nothing took 0.05 ms with threads that slept, as long as many a piece of work, and 0.003
with these. Between two layers the interpreter is at work for 0.2 ms and more: with a tenth of the looks, a step through
28 of them took 82 to 95 ms, so 73 to 82.
"""
_GIVEN: Final = 0
_DONE: Final = 1
Task = Callable[[], None]


class Helper:
    """A thread, for one that gives it tasks: `begin` and `finish` in turn, and `end` at last.

    Args:
        name: The thread's.
        patient: Look for a moment before sleeping, on a core of one's own; where there are more threads than cores,
            nobody should.
    """

    def __init__(self, name: str, patient: bool) -> None:
        self._numbers = np.zeros(2, np.int64)  # of the task given last, and of that done last
        self._tasks: deque[tuple[int, Task | None]] = deque()
        reached = _reached() if patient else None
        self._given, self._done = (_Bell(self._numbers, place, reached) for place in (_GIVEN, _DONE))
        self._error: BaseException | None = None
        self._kept_off: int | None = None
        self._patient = patient
        self._thread = threading.Thread(target=self._help, name=name, daemon=True)
        self._thread.start()

    def begin(self, task: Task) -> None:
        """Give it a task."""
        if self._patient:
            self._part()
        self._give(task)

    def end(self) -> None:
        """End the thread."""
        self._give(None)

    def finish(self) -> BaseException | None:
        """Wait until the task is done, and return its error; take it back if it was not begun."""
        try:
            self._tasks.pop()  # whoever pops a task has it
        except IndexError:
            self._done.wait(int(self._numbers[_GIVEN]))
        error, self._error = self._error, None
        return error

    def _part(self) -> None:
        """Have it run on another core than its caller."""
        number = core()
        if number != self._kept_off and number is not None and self._thread.native_id is not None:
            keep_off(self._thread.native_id, number)
            self._kept_off = number

    def _give(self, task: Task | None) -> None:
        number = int(self._numbers[_GIVEN]) + 1
        self._tasks.append((number, task))
        self._given.ring(number)

    def _help(self) -> None:
        seen = 0
        while True:
            self._given.wait(seen + 1)
            seen = int(self._numbers[_GIVEN])
            try:
                number, task = self._tasks.pop()
            except IndexError:
                continue  # it was taken back
            if task is None:
                return
            try:
                task()
            except BaseException as error:  # noqa: BLE001  # it reaches the one that waits
                self._error = error
            del task  # it holds arrays
            self._done.ring(number)


class _Bell:
    """A number that one thread raises and another waits for."""

    def __init__(self, numbers: np.ndarray[Any, Any], place: int, reached: Callable[..., bool] | None) -> None:
        self._numbers, self._place, self._reached = numbers, place, reached
        self._asleep = False
        self._wake = threading.Semaphore(0)

    def ring(self, number: int) -> None:
        """Raise the number, and wake who sleeps."""
        self._numbers[self._place] = number
        if self._asleep:
            self._wake.release()

    def wait(self, number: int) -> None:
        """Wait until the number is so high."""
        if self._reached is not None and self._reached(self._numbers, self._place, number, LOOKS):
            return
        self._asleep = True  # before the number is looked at again: who raises it looks the other way round
        while self._numbers[self._place] < number:
            self._wake.acquire()
        self._asleep = False


def _reached() -> Callable[..., bool] | None:
    """Return the compiled loop that looks, or None where there is no compiler."""
    if not installed("numba"):
        return None
    from kusari_numpy.compiled.waiting import reached

    reached(np.zeros(1, np.int64), 0, 0, 1)  # compiled here, and not in a thread that is waited for
    return reached
