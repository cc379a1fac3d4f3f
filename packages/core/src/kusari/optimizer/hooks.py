"""Hooks of optimizers and update rules: called before or after an update, in the order in which they were added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TIMINGS = ("pre", "post")


class Hookable:
    """Hold hooks by name, each before (``pre``) or after (``post``) the update."""

    def __init__(self) -> None:
        self._hooks: dict[str, tuple[str, Callable[..., Any]]] = {}

    def add_hook(self, hook: Callable[..., Any], name: str | None = None, timing: str = "auto") -> None:
        """Register a hook.

        Args:
            hook: Any callable.
            name: What `remove_hook` calls it. Default: the hook's attribute ``name``, else its ``__name__``.
            timing: ``pre`` or ``post``; ``auto`` takes the hook's attribute ``timing``, else ``pre``.

        Raises:
            TypeError: Not callable.
            ValueError: Another timing, or a hook without a name.
            KeyError: A hook of that name is registered.
        """
        if not callable(hook):
            raise TypeError(f"add_hook(): expected a callable, got {type(hook).__name__}")
        if timing not in ("auto", *TIMINGS):
            raise ValueError(f"add_hook(timing={timing!r}): expected 'pre', 'post' or 'auto'")
        if timing == "auto":
            timing = getattr(hook, "timing", "pre")
            if timing not in TIMINGS:
                raise ValueError(f"add_hook(): the hook's timing is {timing!r}; expected 'pre' or 'post'")
        if name is None:
            name = getattr(hook, "name", None) or getattr(hook, "__name__", None)
        if name is None:
            raise ValueError(f"add_hook(): {hook!r} has no name; write add_hook(hook, name=...)")
        if name in self._hooks:
            raise KeyError(f"hook {name!r} is registered already; remove_hook({name!r}), or give this one another name")
        self._hooks[name] = (timing, hook)

    def remove_hook(self, name: str) -> None:
        """Unregister a hook.

        Raises:
            KeyError: No hook of that name.
        """
        if name not in self._hooks:
            raise KeyError(f"no hook {name!r} is registered; there are: {', '.join(self._hooks) or 'none'}")
        del self._hooks[name]

    def _hooks_at(self, timing: str) -> list[Callable[..., Any]]:
        return [hook for when, hook in self._hooks.values() if when == timing] if self._hooks else []
