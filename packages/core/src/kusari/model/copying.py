"""Copy modes: what ``Link.copy`` shares, copies, and draws anew."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kusari.autograd.parameter import Parameter, legacy_behavior
from kusari.initializers.generate import fill

if TYPE_CHECKING:
    from kusari.model.link import Link

    L = TypeVar("L", bound=Link)

MODES: Final = ("share", "copy", "init")


def check_mode(mode: str) -> None:
    """Raise unless ``mode`` is one of `MODES`."""
    if mode not in MODES:
        raise ValueError(f"mode {mode!r}: expected 'share', 'copy' or 'init'")


def copy_link(link: L, mode: str, memo: dict[int, Any]) -> L:
    """Return a copy of a link; children that define ``copy`` anew are copied by theirs.

    Args:
        link: What to copy.
        mode: See ``Link.copy``.
        memo: As in `copy.deepcopy`: the copies made so far by the originals' ids, so that what two links share is
            copied once.

    Raises:
        ValueError: Another mode.
    """
    check_mode(mode)
    twin = object.__new__(type(link))
    memo[id(link)] = twin
    if mode == "share":
        own = {name: link.__dict__[name] for name in link._params}
        twin.__dict__.update(link.__dict__)
        twin.__dict__.update({name: param.share() for name, param in own.items() if isinstance(param, Parameter)})
        twin.__dict__.update(_params=set(link._params), _persistent=set(link._persistent))
        if link._hooks is not None:
            twin.__dict__["_hooks"] = dict(link._hooks)
        _copy_children(link, mode, memo)
        twin._adopt_copies(link, memo)
    else:
        _copy_parameters(link, mode, memo)
        _copy_children(link, mode, memo)
        # What was copied is found in the memo, wherever the attributes hold it.
        twin.__dict__.update(copy.deepcopy(link.__dict__, memo))
    twin.__dict__["name"] = None
    return twin


def _copy_children(link: Link, mode: str, memo: dict[int, Any]) -> None:
    """Copy the children, each once, into ``memo``."""
    for _, child in link._named_children():
        if id(child) not in memo:
            memo[id(child)] = twin = child._copy_below(mode, memo)
            twin.name = child.name


def _copy_parameters(link: Link, mode: str, memo: dict[int, Any]) -> None:
    """Copy the link's own parameters into ``memo``, in lexical order, and for ``init`` give them new values."""
    for name in sorted(link._params):
        param = link.__dict__[name]
        if id(param) in memo:
            continue
        twin = copy.deepcopy(param, memo)
        if mode == "init" and isinstance(twin, Parameter):
            twin.initialize_again()
    if mode == "init" and link._draws_for_children and legacy_behavior():
        for child in link.children():
            for param in child.params(include_uninit=False):
                fill(param.initializer, param.shape)
