"""Which link a function is applied in: what errors say of it, in forward and in backward."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

LinkCall: TypeAlias = tuple[str | None, type, Any]
"""A running call of a link: the link's name, its class, and the call that it is within, or None.

Names, not the link: a graph that held the links it was made in could hold them, and itself, in a cycle.
"""

_running: Final[contextvars.ContextVar[LinkCall | None]] = contextvars.ContextVar("kusari_link_call", default=None)

running_call: Final = _running.get
"""Return the innermost call of a link that is running in this thread or task, or None (20 ns)."""
start_call: Final = _running.set
"""Make a call the innermost one; returns the token that `end_call` takes."""
end_call: Final = _running.reset


def path_of(call: LinkCall) -> str:
    """Return the names from the outermost call to this one, and the class of this one.

    >>> path_of(("conv", list, ("block", dict, (None, object, None))))
    '/block/conv (list)'
    """
    names, outer = [], call
    while outer is not None:
        if outer[0]:
            names.append(outer[0])
        outer = outer[2]
    return f"/{'/'.join(reversed(names))} ({call[1].__name__})"


@contextlib.contextmanager
def within_call(call: LinkCall | None) -> Iterator[None]:
    """Make a call that has ended the innermost one within a ``with`` block: what is computed belongs to it."""
    token = start_call(call)
    try:
        yield
    finally:
        end_call(token)
