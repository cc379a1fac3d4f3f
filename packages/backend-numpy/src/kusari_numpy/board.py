"""What threads tell one another: a row of numbers for each helper, in memory that all of them see.

Tasks are given to a helper through the interpreter, loops without it; each kind is numbered for itself.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

GIVEN: Final = 0
"""The number of the task given last."""
DONE: Final = 1
"""That of the task done last."""
SLEEPERS: Final = 2
"""Behind the numbers themselves: whether someone sleeps until ``GIVEN`` rises, or ``DONE``."""
LOOP_GIVEN: Final = 4
"""The number of the loop given last."""
LOOP_TAKEN: Final = 5
"""That of the loop which the helper took last, or the caller took back."""
LOOP_DONE: Final = 6
"""That of the loop done last."""
FAILED: Final = 7
"""Whether a loop ended in an error."""
LOOP: Final = 8
"""The address of the loop's function."""
OPERANDS: Final = 16
"""Where the loop's operands begin."""
LENGTH: Final = 512
"""Numbers in a row: whole pages, so that no two helpers write to one cache line."""


def new_board(helpers: int) -> np.ndarray[Any, Any]:
    """Return rows for so many helpers, of whom nobody has been given anything."""
    return np.zeros((helpers, LENGTH), np.int64)
