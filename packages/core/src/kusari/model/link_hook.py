"""LinkHook: watch links as they are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kusari.configuration import change_state, current_state

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from kusari.model.link import Link


@dataclass
class ForwardPreprocessArguments:
    """What a hook is shown before a call. Replacing its fields does not change the call."""

    link: Link
    forward_name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass
class ForwardPostprocessArguments:
    """What a hook is shown after a call."""

    link: Link
    forward_name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    """What the call returned; None where it failed."""
    exception: Exception | None = None
    """What the call failed with."""


class LinkHook:
    """Watch links: all that are called in a ``with`` block, in this thread, or one to which it was added.

    Subclass it, give it a ``name``, and override what is wanted. Hooks act by changing the link; what they return does
    not matter.

    Hooks of ``with`` blocks come first, in the order of entering, then the link's own; one of the link's own takes the
    place of its namesake. The order is the same before and after. After a failed call, too, the hooks that were shown
    its start are shown its end.

    >>> class Names(LinkHook):
    ...     name = "names"
    ...
    ...     def forward_preprocess(self, args):
    ...         print(type(args.link).__name__, args.link.name)
    >>> model = kusari.model.Sequential(L.Linear(2, 3), L.Linear(3, 1))
    >>> with Names():
    ...     y = model(np.ones((1, 2), "f"))
    Sequential None
    Linear 0
    Linear 1
    """

    name: str = "LinkHook"
    observes_children: bool = True
    """False: the hook can do without calls of links inside a fused one, which then stays fused."""

    def __enter__(self) -> Self:
        hooks = current_state().link_hooks
        if any(name == self.name for name, _ in hooks):
            raise KeyError(f"a link hook called {self.name!r} is in force already")
        self.added(None)
        change_state(link_hooks=(*current_state().link_hooks, (self.name, self)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        hooks = current_state().link_hooks
        change_state(link_hooks=tuple([(name, hook) for name, hook in hooks if hook is not self]))
        self.deleted(None)

    def added(self, link: Link | None) -> None:
        """Called when the hook comes into force; with None for a ``with`` block."""

    def deleted(self, link: Link | None) -> None:
        """Called when it goes out of force."""

    def forward_preprocess(self, args: ForwardPreprocessArguments) -> None:
        """Called before the link's ``forward``."""

    def forward_postprocess(self, args: ForwardPostprocessArguments) -> None:
        """Called after the link's ``forward``; where it failed, with ``args.exception``."""
