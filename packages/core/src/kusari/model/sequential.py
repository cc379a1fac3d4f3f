"""Sequential: callables, links among them, run one after another."""

from __future__ import annotations

import copy
import inspect
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Self

from kusari.configuration import config
from kusari.model.chain import ChainList
from kusari.model.copying import check_mode
from kusari.model.link import Link, indented

NUMBERINGS: Final = ("native", "legacy")


def numbering_in_files() -> str:
    """Return how files number the links of Sequentials: ``native``, by their order, or ``legacy``.

    Raises:
        ValueError: ``config.sequential_numbering`` is neither.
    """
    numbering: str = config.sequential_numbering
    if numbering not in NUMBERINGS:
        raise ValueError(f"config.sequential_numbering is {numbering!r}: expected 'native' or 'legacy'")
    return numbering


class Sequential(ChainList):
    """Callables that run one after another; the links among them are children.

    y = fₙ(… f₂(f₁(x))). A tuple that one returns is the next one's arguments.

    Children are named by their place among the links: ``Sequential(conv, relu, linear)`` has ``/0/W`` and ``/1/W``. The
    original numbers three or more of them in another order, and its files have such keys: with
    ``config.sequential_numbering`` set to ``"legacy"`` they are read, and written, so.

    Args:
        *layers: Callables.

    Raises:
        ValueError: Something that is not callable.

    >>> model = Sequential(L.Linear(2, 3), F.relu, L.Linear(3, 1))
    >>> model(np.ones((5, 2), "f")).shape
    (5, 1)
    """

    _layers: list[Any]
    _legacy_order: list[Link]
    """The children as the original would number them."""

    def __init__(self, *layers: Callable[..., Any]) -> None:
        super().__init__()
        self._layers = []
        self._legacy_order = []
        for layer in layers:
            self.append(layer)

    def forward(self, *x: Any) -> Any:
        """Run the layers.

        Raises:
            RuntimeError: There are none.
        """
        if not self._layers:
            raise RuntimeError("this Sequential has no layers: append some before calling it")
        value: Any = x
        for layer in self._layers:
            value = layer(*value) if isinstance(value, tuple) else layer(value)
        return value

    # The list. -----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._layers)

    def __getitem__(self, index: Any) -> Any:
        """Return a layer, or for a slice a list of them."""
        return self._layers[index]

    def __setitem__(self, index: Any, layer: Any) -> None:
        """Put a layer in the place of another.

        Raises:
            ValueError: Not callable, or beyond the end.
            IndexError: Before the beginning.
            TypeError: A slice.
        """
        _refuse_slice(index)
        _check_callable(layer)
        if index >= len(self):
            raise ValueError(f"layer {index}: there are {len(self)}; append() adds one")
        place = range(len(self))[index]
        del self[place]
        self.insert(place, layer)

    def __delitem__(self, index: Any) -> None:
        """Remove a layer.

        Raises:
            TypeError: A slice.
            IndexError: Out of range.
        """
        _refuse_slice(index)
        layer = self._layers.pop(index)
        if isinstance(layer, Link):
            self._legacy_order.pop(next(i for i, link in enumerate(self._legacy_order) if link is layer))
            self._collect_children()

    def insert(self, index: int, layer: Any) -> None:
        """Put a layer before the one at ``index``.

        Raises:
            IndexError: ``index`` is not in −n … n.
            ValueError: Not callable.
        """
        if not -len(self) <= index <= len(self):
            raise IndexError(f"insert({index}): expected −{len(self)} … {len(self)}")
        _check_callable(layer)
        place = index if index >= 0 else index + len(self)
        if isinstance(layer, Link):
            # The original takes the place of the first link among the layers for one among the links.
            first = next((i for i in range(place) if isinstance(self._layers[i], Link)), 0)
            self._legacy_order.insert(first + 1 if place else 0, layer)
        self._layers.insert(place, layer)
        self._collect_children()

    def _collect_children(self) -> None:
        self._children = [layer for layer in self._layers if isinstance(layer, Link)]
        self._rename()

    def remove(self, layer: Any) -> None:
        """Remove the first occurrence of a layer.

        Raises:
            ValueError: It is not there.
        """
        del self[self.index(layer)]

    def clear(self) -> None:
        """Remove every layer."""
        self._layers, self._legacy_order, self._children = [], [], []

    def index(self, layer: Any, start: int | None = None, end: int | None = None) -> int:
        """Return the place of a layer, counted from the beginning, looking from ``start`` to ``end``.

        Raises:
            ValueError: It is not there.
        """
        return self._layers.index(layer, 0 if start is None else start, len(self) if end is None else end)

    def extend(self, sequential: Iterable[Any]) -> None:
        """Append the layers of another Sequential, or of any iterable."""
        for layer in list(sequential):
            self.append(layer)

    def __add__(self, other: Any) -> Sequential:
        """Return a new Sequential with the layers of both.

        Raises:
            ValueError: ``other`` is not a Sequential.
        """
        return Sequential(*self, *_checked(other))

    def __iadd__(self, other: Any) -> Self:
        self.extend(_checked(other))
        return self

    def count_by_layer_type(self, type_name: str) -> int:
        """Return how many layers have a name: a link's class's, a function's own.

        Raises:
            AttributeError: A callable without ``__name__``: a ``functools.partial``, say.
        """
        return sum(_type_name(layer) == type_name for layer in self._layers)

    def remove_by_layer_type(self, type_name: str) -> None:
        """Remove the layers of a name, as `count_by_layer_type` counts them."""
        for place in reversed([i for i, layer in enumerate(self._layers) if _type_name(layer) == type_name]):
            del self[place]

    def flatten(self) -> Sequential:
        """Return a new Sequential of the same layers, with those of nested ones in their place.

        >>> len(Sequential(F.relu, Sequential(F.tanh, Sequential(F.sigmoid))).flatten())
        3
        """
        return Sequential(*_leaves(self))

    # Copies, files, texts. -----------------------------------------------------------------------------------------

    def copy(self, mode: str = "share") -> Sequential:
        """Return a Sequential of copies: links by ``mode``, as in ``Link.copy``, other callables by ``copy.copy``.

        A subclass's type, parameters of its own, and hooks are not taken over.

        Raises:
            ValueError: Another mode.
        """
        check_mode(mode)
        return Sequential(*[x.copy(mode) if isinstance(x, Link) else copy.copy(x) for x in self._layers])

    def copyparams(self, link: Link, copy_persistent: bool = True) -> None:
        """Copy another Sequential's values into this one's; see ``Link.copyparams``.

        Raises:
            ValueError: ``link`` is not a Sequential.
        """
        if not isinstance(link, Sequential):
            raise ValueError(f"copyparams(): expected a Sequential, got {type(link).__name__}")
        super().copyparams(link, copy_persistent)

    @property
    def numbering_matters(self) -> bool:
        """Whether the original would number the links in another order."""
        return any(one is not other for one, other in zip(self._children, self._legacy_order, strict=True))

    def _children_in_files(self) -> Iterator[tuple[str, Link]]:
        if numbering_in_files() == "legacy":
            return ((str(index), child) for index, child in enumerate(self._legacy_order))
        return self._named_children()

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled.

        Raises:
            ValueError: A lambda is among the layers.
        """
        if any(_is_lambda(layer) for layer in self._layers):
            raise ValueError("a Sequential with a lambda cannot be pickled: use functools.partial or a named function")
        return self.__dict__

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def __str__(self) -> str:
        return indented(self, ((str(index), _shown(layer)) for index, layer in enumerate(self._layers)))


Link._sequence = Sequential  # here, because Sequential builds on Link


def _check_callable(layer: Any) -> None:
    if not callable(layer):
        raise ValueError(f"a Sequential holds callables: got {layer!r}")


def _checked(other: Any) -> Sequential:
    if not isinstance(other, Sequential):
        raise ValueError(f"+ joins two Sequentials: got {type(other).__name__}; use extend() for other iterables")
    return other


def _refuse_slice(index: Any) -> None:
    if isinstance(index, slice):
        raise TypeError("a Sequential is not edited by slices: give one index")


def _type_name(layer: Any) -> str:
    if isinstance(layer, Link):
        return type(layer).__name__
    name: str = layer.__name__
    return name


def _leaves(layers: Sequential) -> Iterator[Any]:
    for layer in layers:
        if isinstance(layer, Sequential):
            yield from _leaves(layer)
        else:
            yield layer


def _is_lambda(layer: Any) -> bool:
    return isinstance(layer, types.LambdaType) and layer.__name__ == "<lambda>"


def _shown(layer: Any) -> str:
    if _is_lambda(layer):
        try:
            return inspect.getsource(layer).strip().rstrip(",")
        except (OSError, TypeError):
            return "<lambda>"
    return str(layer)
