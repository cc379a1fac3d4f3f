"""Ranges of work of a size that is worth a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kusari_numpy.threads import pool

PIECE: Final = 2**17
"""Numbers in a piece: 512 KiB of float32. Scaling so many takes a compiled loop 33 µs, and its call 1."""

Range = tuple[int, int]
"""The first, and the one after the last."""


def ranges(count: int, parts: int) -> list[Range]:
    """Return ranges of about equal length that make up 0 to ``count``: as many as ``parts``, or fewer items.

    >>> ranges(5, 2)
    [(0, 2), (2, 5)]
    """
    parts = min(count, parts)
    return [(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


def share(work: Callable[[int, int], Any], count: int, size: int) -> None:
    """Call ``work(first, last)`` for ranges that make up 0 to ``count``, on all threads.

    Args:
        work: It computes the items of a range; which ranges there are depends on ``count`` and ``size`` alone.
        count: How many items there are.
        size: Numbers in an item.

    >>> share(lambda first, last: print(first, last), 3, 2**16)
    0 2
    2 3
    """
    step = in_a_piece(size)
    if step >= count:
        if count:
            work(0, count)  # one piece: nothing to share
        return
    pool().run(lambda piece: work(piece * step, min((piece + 1) * step, count)), -(-count // step))


def share_loop(loop: Callable[..., int], operands: tuple[Any, ...], count: int, size: int) -> None:
    """Call a loop for ranges that make up 0 to ``count``, on all threads: see `share`, and `take_turns`.

    Args:
        loop: See `kusari_numpy.compiled.together.in_ranges`.
        operands: What it takes.
        count: How many items there are.
        size: Numbers in an item.
    """
    step = in_a_piece(size)
    pool().take_turns(loop, (step, count, *operands), pool().sharing(-(-count // step)))


def in_a_piece(size: int) -> int:
    """Return how many items of so many numbers make a piece."""
    return max(1, PIECE // max(size, 1))
