"""What a helper does between the interpreter's tasks: it runs loops."""

from __future__ import annotations

from typing import Any

from kusari_numpy.board import DONE, FAILED, GIVEN, LOOP_DONE, LOOP_GIVEN
from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.together import failed, taken
from kusari_numpy.compiled.waiting import look, tell, told


@jit
def serve(row: Any, number: int, looks: int, more: int) -> bool:
    """Run loops as they are given, until there is a task of that number, or nothing during so many looks.

    Args:
        row: The helper's, of the board.
        number: The task's.
        looks: How often it looks for something to do.
        more: How often it looks once there is a task.

    Returns:
        Whether there is a task.
    """
    looked = 0
    done = look(row, LOOP_GIVEN) - 1  # what was given before is done or was taken back
    while looked < looks:
        looked += 1
        given = look(row, LOOP_GIVEN)
        if given > done:
            done = given
            if taken(row, given):
                if failed(row):
                    row[FAILED] = 1
                tell(row, LOOP_DONE, given)
                looked = 0
        if look(row, GIVEN) >= number:
            for _ in range(more):
                look(row, GIVEN)
            return True
    return False


@jit
def told_and_served(row: Any, number: int, looks: int, more: int) -> tuple[bool, bool]:
    """Tell that the task of that number is done, and `serve` until there is the next.

    Returns:
        Whether nobody sleeps until it is done, who must be woken first; and whether there is a task.
    """
    if not told(row, DONE, number):
        return False, False
    return True, serve(row, number + 1, looks, more)
