"""A thread that helps with one task at a time, and between tasks with loops."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from kusari_numpy.board import DONE, GIVEN, SLEEPERS, new_board
from kusari_numpy.compiled_available import installed
from kusari_numpy.cores import core, keep_off

LOOKS: Final = 20_000
"""How often one looks for the next task before falling asleep: for 1 ms where a pause takes 140 cycles, else less.

Shared work that was next to nothing took 0.05 ms with threads that slept, as long as many a piece of work, and 0.003
with these. Between two layers the interpreter is at work for 0.2 ms and more: with a tenth of the looks, a step through
28 of them took 82 to 95 ms, so 73 to 82.
"""
GRACE: Final = 400
"""How often one looks on before taking up a task: for 20 µs, in which the one who gave it begins with the first piece.

The interpreter has one lock, and whoever wants it meanwhile falls asleep. A step through 28 layers, two threads, where
they fell asleep 184 times, has 52 such times, and takes 3 % less.
"""
Task = Callable[[], None]


class Helper:
    """A thread, for one that gives it tasks: `begin` and `finish` in turn, and `end` at last.

    In between, it runs the loops that it finds in its row of the board, if told to `get_ready`; see
    `kusari_numpy.compiled.together`.

    Args:
        name: The thread's.
        patient: Look for a moment before sleeping, on a core of one's own; where there are more threads than cores,
            nobody should.
        row: Of the board; None: it has one of its own.
    """

    def __init__(self, name: str, patient: bool, row: np.ndarray[Any, Any] | None = None) -> None:
        self._row = new_board(1)[0] if row is None else row
        self._tasks: deque[tuple[int, Task | None]] = deque()
        self._loops = _loops() if patient else None
        self._given, self._done = (_Bell(self._row, place, self._loops) for place in (GIVEN, DONE))
        self._error: BaseException | None = None
        self._kept_off: int | None = None
        self._patient = patient
        self._thread = threading.Thread(target=self._help, name=name, daemon=True)
        self._thread.start()

    @property
    def runs_loops(self) -> bool:
        """Whether it looks at its row of the board."""
        return self._loops is not None

    def get_ready(self) -> None:
        """Have it look for loops."""
        self._part()
        self._given.wake()

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
            self._done.wait(int(self._row[GIVEN]))
        error, self._error = self._error, None
        return error

    def _part(self) -> None:
        """Have it run on another core than its caller."""
        number = core()
        if number != self._kept_off and number is not None and self._thread.native_id is not None:
            keep_off(self._thread.native_id, number)
            self._kept_off = number

    def _give(self, task: Task | None) -> None:
        number = int(self._row[GIVEN]) + 1
        self._tasks.append((number, task))
        self._given.ring(number)

    def _help(self) -> None:
        number = 0
        while True:
            self._rest(number)
            number = int(self._row[GIVEN])
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

    def _rest(self, number: int) -> None:
        """Tell that the task with a number is done, and wait for the next one; meanwhile, run loops.

        It is told without the interpreter's lock, which the one that waits wants next.
        """
        if self._loops is None:
            self._done.ring(number)
            self._given.wait(number + 1)
            return
        seen, given = self._loops.told_and_served(self._row, number, LOOKS, GRACE)
        if not seen:
            self._done.wake()
            given = self._loops.serve(self._row, number + 1, LOOKS, GRACE)
        while not given:
            self._given.sleep(number + 1)
            given = self._loops.serve(self._row, number + 1, LOOKS, GRACE)


class _Bell:
    """A number that one thread raises and another waits for."""

    def __init__(self, row: np.ndarray[Any, Any], place: int, loops: _Loops | None) -> None:
        self._row, self._place, self._loops = row, place, loops
        self._wake = threading.Semaphore(0)

    def ring(self, number: int) -> None:
        """Raise the number, and wake who sleeps."""
        self._row[self._place] = number
        self.wake()

    def wake(self) -> None:
        """Wake who sleeps."""
        if self._row[SLEEPERS + self._place]:
            self._wake.release()

    def wait(self, number: int) -> None:
        """Wait until the number is so high."""
        while not self._reached(number):
            self.sleep(number)

    def _reached(self, number: int) -> bool:
        if self._loops is None:
            return bool(self._row[self._place] >= number)
        return self._loops.reached(self._row, self._place, number, LOOKS)

    def sleep(self, number: int) -> None:
        """Sleep until someone wakes this thread, unless the number is so high by now, or there is a loop to run."""
        if self._may_sleep(number):
            self._wake.acquire()
        self._row[SLEEPERS + self._place] = 0

    def _may_sleep(self, number: int) -> bool:
        """Say that someone sleeps, and only then look again: who raises the number does these the other way round."""
        if self._loops is not None:
            return self._loops.may_sleep(self._row, self._place, number)
        self._row[SLEEPERS + self._place] = 1
        return bool(self._row[self._place] < number)


class _Loops(NamedTuple):
    """Of `kusari_numpy.compiled.waiting` and `kusari_numpy.compiled.serving`."""

    may_sleep: Callable[..., bool]
    reached: Callable[..., bool]
    serve: Callable[..., bool]
    told_and_served: Callable[..., tuple[bool, bool]]


def _loops() -> _Loops | None:
    """Return the compiled loops that look, or None where there is no compiler."""
    if not installed("numba"):
        return None
    from kusari_numpy.compiled.serving import serve, told_and_served
    from kusari_numpy.compiled.waiting import may_sleep, reached

    row = new_board(1)[0]  # compiled here, and not in a thread that is waited for
    may_sleep(row, GIVEN, 0)
    reached(row, GIVEN, 1, 0)
    serve(row, 1, 0, 0)
    told_and_served(row, 0, 0, 0)
    return _Loops(may_sleep, reached, serve, told_and_served)
