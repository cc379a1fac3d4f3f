"""A thread that helps with one task at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

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
_GIVEN: Final = 0
_DONE: Final = 1
_SLEEPERS: Final = 2
"""Behind the numbers themselves: whether someone sleeps until the number rises."""
Task = Callable[[], None]


class Helper:
    """A thread, for one that gives it tasks: `begin` and `finish` in turn, and `end` at last.

    Args:
        name: The thread's.
        patient: Look for a moment before sleeping, on a core of one's own; where there are more threads than cores,
            nobody should.
    """

    def __init__(self, name: str, patient: bool) -> None:
        self._numbers = np.zeros(4, np.int64)  # of the task given last, of that done last, and who sleeps
        self._tasks: deque[tuple[int, Task | None]] = deque()
        self._loops = _loops() if patient else None
        self._given, self._done = (_Bell(self._numbers, place, self._loops) for place in (_GIVEN, _DONE))
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
        number = 0
        while True:
            self._rest(number)
            number = int(self._numbers[_GIVEN])
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
        """Tell that the task with a number is done, and wait for the next one.

        It is told without the interpreter's lock, which the one that waits wants next.
        """
        if self._loops is None:
            self._done.ring(number)
        else:
            places = _DONE, _SLEEPERS + _DONE, _GIVEN
            seen, given = self._loops.told_and_reached(self._numbers, *places, number + 1, LOOKS, GRACE)
            if given:
                return
            if not seen:
                self._done.wake()
        self._given.wait(number + 1)


class _Bell:
    """A number that one thread raises and another waits for."""

    def __init__(self, numbers: np.ndarray[Any, Any], place: int, loops: _Loops | None) -> None:
        self._numbers, self._place, self._loops = numbers, place, loops
        self._sleeper = _SLEEPERS + place
        self._wake = threading.Semaphore(0)

    def ring(self, number: int) -> None:
        """Raise the number, and wake who sleeps."""
        self._numbers[self._place] = number
        if self._numbers[self._sleeper]:
            self.wake()

    def wake(self) -> None:
        """Wake who sleeps."""
        self._wake.release()

    def wait(self, number: int) -> None:
        """Wait until the number is so high."""
        if self._loops is not None and self._loops.reached(self._numbers, self._place, number, LOOKS, 0):
            return
        while self._fall_asleep() < number:
            self._wake.acquire()
        self._numbers[self._sleeper] = 0

    def _fall_asleep(self) -> int:
        """Say so, and only then look at the number again: who raises it does these the other way round."""
        if self._loops is not None:
            return self._loops.tell(self._numbers, self._sleeper, 1, self._place)
        self._numbers[self._sleeper] = 1
        return int(self._numbers[self._place])


class _Loops(NamedTuple):
    """`kusari_numpy.compiled.waiting`."""

    tell: Callable[..., int]
    reached: Callable[..., bool]
    told_and_reached: Callable[..., tuple[bool, bool]]


def _loops() -> _Loops | None:
    """Return the compiled loops that look, or None where there is no compiler."""
    if not installed("numba"):
        return None
    from kusari_numpy.compiled.waiting import reached, tell, told_and_reached

    numbers = np.zeros(4, np.int64)  # compiled here, and not in a thread that is waited for
    tell(numbers, 0, 0, 0)
    reached(numbers, 0, 0, 1, 0)
    told_and_reached(numbers, 0, 1, 0, 0, 1, 0)
    return _Loops(tell, reached, told_and_reached)
