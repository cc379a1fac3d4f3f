"""A mode in which reading a device's value on the host raises: what a training step must never do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from kusari.backend import Backend
from kusari.configuration import using_config
from kusari.errors import SynchronizationError

CONVERSIONS: Final = (
    *("__bool__", "__float__", "__int__", "__index__", "__complex__"),
    *("__array__", "item", "tolist", "get"),
)
"""What reads an array's values. ``get`` is CuPy's copy to the host."""


def why_not(backend: Backend) -> str | None:
    """Return why the mode cannot be had with a backend's arrays, or None."""
    if backend.on_host:
        return f"{backend.name} keeps its arrays on the host: reading them waits for nothing"
    for kind in backend.array_types:
        try:
            kind._kusari_testkit_probe = None  # type: ignore[attr-defined]
            del kind._kusari_testkit_probe  # type: ignore[attr-defined]
        except (TypeError, AttributeError):
            return f"the class {kind.__module__}.{kind.__qualname__} does not let its methods be replaced"
    return None


@contextlib.contextmanager
def forbidden(backend: Backend) -> Iterator[None]:
    """Raise `SynchronizationError` where an array of ``backend`` is turned into a number or sent to the host.

    Raises:
        RuntimeError: The array classes cannot be changed; `why_not` says so beforehand.
    """
    reason = why_not(backend)
    if reason is not None:
        raise RuntimeError(reason)
    with contextlib.ExitStack() as stack:
        for kind in backend.array_types:
            for name in CONVERSIONS:
                if hasattr(kind, name):
                    stack.enter_context(_replaced(kind, name, _refusal(f"{kind.__name__}.{name}()")))
        stack.enter_context(_replaced(backend, "to_host", _refusal("Backend.to_host()")))
        stack.enter_context(using_config("forbid_synchronization", True))
        yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


def _refusal(what: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise SynchronizationError(f"{what} within a step: it waits for the device; keep the array and read it later")

    return refuse
