"""Chain and ChainList: links with links below them, by name or in a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any, ClassVar, Self

from kusari.model.link import Link, indented
from kusari.model.registration import Registration


class Chain(Link):
    """A link with children that are attributes.

    Subclass it and assign links within ``init_scope()``, or name them in the constructor.

    Args:
        **links: Children by name.

    Raises:
        TypeError: Something that is not a link.
        AttributeError: A name that is taken.

    >>> class Perceptron(Chain):
    ...     def __init__(self):
    ...         super().__init__()
    ...         with self.init_scope():
    ...             self.hidden = L.Linear(2, 8)
    ...             self.out = L.Linear(8, 1)
    ...
    ...     def forward(self, x):
    ...         return self.out(F.relu(self.hidden(x)))
    >>> print(Perceptron())
    Perceptron(
      (hidden): Linear(in_size=2, out_size=8, nobias=False),
      (out): Linear(in_size=8, out_size=1, nobias=False),
    )
    """

    _children: set[str]

    def __init__(self, **links: Link) -> None:
        super().__init__()
        self._children = set()
        for name, link in links.items():
            self.add_link(name, link)

    def __getitem__(self, name: str) -> Any:
        """Return the attribute ``name``."""
        return getattr(self, name)

    def add_link(self, name: str, link: Link) -> None:
        """Register a child.

        Raises:
            TypeError: Not a link.
            AttributeError: The name is taken, be it by a method.
        """
        if not isinstance(link, Link):
            raise TypeError(f"add_link({name!r}): expected a Link, got {type(link).__name__}")
        if name in self.__dict__:
            raise AttributeError(f"cannot register link {name!r}: {type(self).__name__} has such an attribute")
        with self.init_scope():
            setattr(self, name, link)

    def _take_link(self, name: str, link: Registration) -> None:
        """Register a link in an init scope; keep the registration of one that is replaced outside."""
        if self._within_init_scope:
            if hasattr(self, name):
                raise AttributeError(
                    f"cannot register link {name!r}: {type(self).__name__} has such an attribute; to replace a child, "
                    "assign it outside init_scope(), or del it first"
                )
            self._children.add(name)
            link.name = name
        elif self._has_child(name):
            link.name = name
        elif self._is_registered(name):
            raise TypeError(f"{type(self).__name__}.{name} is a parameter and cannot become a link: del it first")

    def _is_registered(self, name: str) -> bool:
        return super()._is_registered(name) or self._has_child(name)

    def _has_child(self, name: str) -> bool:
        return name in self.__dict__.get("_children", ())

    def _unregister(self, name: str) -> None:
        super()._unregister(name)
        self._children.discard(name)

    def _named_children(self) -> Iterator[tuple[str, Link]]:
        for name in sorted(self._children):
            yield name, self.__dict__[name]

    def _adopt_copies(self, original: Self, copies: dict[int, Link]) -> None:
        self.__dict__["_children"] = set(original._children)
        for name, child in original._named_children():
            self.__dict__[name] = copies[id(child)]

    def __str__(self) -> str:
        return indented(self, self._named_children())


class ChainList(Link, MutableSequence[Any]):
    """A link with children in a list.

    They are named by their places: ``/0/W``, ``/1/W``. The list may be edited; what follows the edit is renamed.

    Args:
        *links: Children.

    Raises:
        TypeError: Something that is not a link.

    >>> layers = ChainList(L.Linear(2, 3), L.Linear(3, 4))
    >>> layers.insert(0, L.Linear(5, 2))
    >>> [path for path, _ in layers.namedlinks(skipself=True)]
    ['/0', '/1', '/2']
    """

    _children: list[Link]
    _draws_for_children: ClassVar[bool] = False

    def __init__(self, *links: Any) -> None:
        super().__init__()
        self._children = []
        for link in links:
            self.add_link(link)

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._children)

    def __getitem__(self, index: Any) -> Any:
        """Return a child, or for a slice a list of them."""
        return self._children[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        """Put a link, or links for a slice, in the place of those at ``index``.

        Raises:
            TypeError: Not a link, or neither a number nor a slice; nothing is changed.
            IndexError: Out of range.
        """
        if isinstance(index, slice):
            links = [_checked(link) for link in _iterable(value)]
            self._children[index] = links
        else:
            self._children[index] = _checked(value)
        self._rename()

    def __delitem__(self, index: Any) -> None:
        del self._children[index]
        self._rename()

    def insert(self, index: int, link: Any) -> None:
        """Put a link before the one at ``index``.

        Raises:
            TypeError: Not a link.
        """
        self._children.insert(index, _checked(link))
        self._rename()

    def add_link(self, link: Any) -> None:
        """Put a link at the end."""
        self.append(link)

    def _rename(self) -> None:
        for index, child in enumerate(self._children):
            child.name = str(index)

    def _take_link(self, name: str, link: Registration) -> None:
        if self._within_init_scope:
            raise TypeError(
                f"{type(self).__name__}.{name}: a ChainList has its links in the list, not as attributes; use "
                "append(link), or a Chain"
            )
        super()._take_link(name, link)

    def _named_children(self) -> Iterator[tuple[str, Link]]:
        for index, child in enumerate(self._children):
            yield str(index), child

    def _find_child(self, name: str) -> Link:
        index = int(name) if name.isdecimal() else -1
        if not 0 <= index < len(self._children):
            raise KeyError(name)
        return self._children[index]

    def _adopt_copies(self, original: Self, copies: dict[int, Link]) -> None:
        self.__dict__["_children"] = [copies[id(child)] for child in original._children]

    def __str__(self) -> str:
        return indented(self, self._named_children())


def _checked(link: Any) -> Link:
    if not isinstance(link, Link):
        raise TypeError(f"a ChainList holds links: got {type(link).__name__}")
    return link


def _iterable(value: Any) -> Iterable[Any]:
    if isinstance(value, Link) and not isinstance(value, ChainList):
        raise TypeError("a slice of a ChainList takes a sequence of links, got one link")
    links: Iterable[Any] = value
    return links
