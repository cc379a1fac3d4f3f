"""Traversal: what a link does with everything below it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from kusari.autograd.parameter import Parameter
from kusari.backend import copyto
from kusari.model.device_resident import is_array
from kusari.model.registration import Registration
from kusari.serializer import Deserializer, Serializer

if TYPE_CHECKING:
    from kusari.model.link import Link
    from kusari.model.visitor import DeviceResidentsVisitor


class Traversal(Registration):
    """The part of `Link` that walks: over its own names in lexical order, then over its children."""

    def _named_children(self) -> Iterator[tuple[str, Link]]:
        """Yield the direct children with their names, in order."""
        yield from ()

    def _find_child(self, name: str) -> Any:
        """Return the child of that name.

        Raises:
            KeyError: There is none.
        """
        return self.__dict__[name]

    # Iterators. ----------------------------------------------------------------------------------------------------

    def params(self, include_uninit: bool = True) -> Iterator[Parameter]:
        """Yield every parameter: the link's own in lexical order, then its children's.

        One that can be reached by two paths comes twice.

        Args:
            include_uninit: Those without data, too.
        """
        for name in sorted(self._params):
            param = self.__dict__[name]
            if include_uninit or param.array is not None:
                yield param
        for _, child in self._named_children():
            yield from child.params(include_uninit)

    def namedparams(self, include_uninit: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Yield every parameter with its path: ``/W``, ``/child/W``, ``/0/W``.

        >>> [path for path, _ in kusari.model.Chain(layer=L.Linear(2, 3)).namedparams()]
        ['/layer/W', '/layer/b']
        """
        for name in sorted(self._params):
            param = self.__dict__[name]
            if include_uninit or param.array is not None:
                yield f"/{name}", param
        for name, child in self._named_children():
            for path, param in child.namedparams(include_uninit):
                yield f"/{name}{path}", param

    def links(self, skipself: bool = False) -> Iterator[Link]:
        """Yield this link and every one below it, parents first."""
        if not skipself:
            yield self  # type: ignore[misc]  # every Traversal is a Link
        for _, child in self._named_children():
            yield from child.links()

    def namedlinks(self, skipself: bool = False) -> Iterator[tuple[str, Link]]:
        """Yield this link and every one below it with its path, parents first: ``/``, ``/a``, ``/a/b``."""
        if not skipself:
            yield "/", self  # type: ignore[misc]
        for name, child in self._named_children():
            yield f"/{name}", child
            for path, link in child.namedlinks(skipself=True):
                yield f"/{name}{path}", link

    def children(self) -> Iterator[Link]:
        """Yield the direct children."""
        for _, child in self._named_children():
            yield child

    # Gradients and updates. ----------------------------------------------------------------------------------------

    def cleargrads(self) -> None:
        """Forget every parameter's gradient; those without data will not start with NaN either."""
        for param in self.params():
            param.cleargrad()

    def zerograds(self) -> None:
        """Set every parameter's gradient to zeros.

        Deprecated: use `cleargrads`.
        """
        warnings.warn("zerograds() is deprecated; use cleargrads()", DeprecationWarning, stacklevel=2)
        for param in self.params():
            param.set_zero_grad()

    def addgrads(self, link: Link) -> None:
        """Add another link's gradients to this one's, parameter by parameter, across devices.

        A gradient that the other link lacks is skipped; one that this link lacks becomes the other's Variable itself.
        The sums can be differentiated.

        Raises:
            KeyError: The other link lacks a parameter.
        """
        for name in sorted(self._params):
            self.__dict__[name].addgrad(_attribute(link, name))
        for name, child in self._named_children():
            child.addgrads(_child(link, name))

    def enable_update(self) -> None:
        """Let the update rules of all parameters run; without rules, do nothing."""
        self._set_enabled(True)

    def disable_update(self) -> None:
        """Keep the update rules of all parameters from running; without rules, do nothing.

        To be called after ``optimizer.setup``, which makes the rules.
        """
        self._set_enabled(False)

    def _set_enabled(self, enabled: bool) -> None:
        for param in self.params():
            if param.update_rule is not None:
                param.update_rule.enabled = enabled

    @property
    def update_enabled(self) -> bool:
        """Whether any parameter has an update rule that runs; false before ``optimizer.setup``."""
        return any(param.update_rule is not None and param.update_rule.enabled for param in self.params())

    def count_params(self) -> int:
        """Return the number of elements of all parameters; warn of each without data, which does not count.

        A parameter that can be reached by two paths counts twice.

        >>> L.Linear(2, 3).count_params()
        9
        """
        total = 0
        for path, param in self.namedparams():
            if param.array is None:
                warnings.warn(f"parameter {path} is not initialized and does not count", UserWarning, stacklevel=2)
            else:
                total += param.size
        return total

    # Copying values, saving, moving. -------------------------------------------------------------------------------

    def copyparams(self, link: Link, copy_persistent: bool = True) -> None:
        """Copy another link's values into this one's, across devices; gradients stay.

        What the other link has and this one lacks is left out. A parameter without data is made in the source's
        shape; a source without data is passed over, see ``Parameter.copydata``.

        Args:
            link: The source.
            copy_persistent: Copy persistent values, too: arrays element by element, others by ``copy.deepcopy``.

        Raises:
            KeyError: The source lacks a name.
            ValueError: Shapes differ.
        """
        for name in sorted(self._params):
            self.__dict__[name].copydata(_attribute(link, name))
        if copy_persistent:
            for name in sorted(self._persistent):
                self._copy_persistent(name, _attribute(link, name))
        for name, child in self._named_children():
            child.copyparams(_child(link, name), copy_persistent)

    def _copy_persistent(self, name: str, source: Any) -> None:
        own = getattr(self, name)
        if not (is_array(own) and is_array(source)):
            object.__setattr__(self, name, copy.deepcopy(source))
            return
        if own.shape != source.shape:
            raise ValueError(f"copyparams(): {name!r} has shape {own.shape}, the source's {source.shape}")
        copyto(own, source)

    def serialize(self, serializer: Any) -> None:
        """Save or load parameters' data and persistent values, then the children under their names.

        Gradients and update rules are not part of it. Loading fills arrays in place; a parameter without data is made
        in the stored shape; None in the file changes nothing.

        Args:
            serializer: ``serializer(name, value)`` saves or loads a value and returns it, ``serializer[name]`` is that
                of a part; see `kusari.serializer`.

        Raises:
            ValueError: A stored array has another shape.
        """
        for name in sorted(self._params):
            _serialize_parameter(serializer, name, self.__dict__[name])
        for name in sorted(self._persistent):
            value = serializer(name, getattr(self, name))
            if not getattr(serializer, "rehearsing", False):
                object.__setattr__(self, name, value)
        for name, child in self._children_in_files():
            child.serialize(serializer[name])

    def _children_in_files(self) -> Iterator[tuple[str, Link]]:
        """Yield the children under the names that files have."""
        return self._named_children()

    def namedparams_in_files(self) -> Iterator[tuple[str, Parameter]]:
        """Yield every parameter with the path that files have: `namedparams`, by `_children_in_files`."""
        for name in sorted(self._params):
            yield f"/{name}", self.__dict__[name]
        for name, child in self._children_in_files():
            for path, param in child.namedparams_in_files():
                yield f"/{name}{path}", param

    def device_resident_accept(self, visitor: DeviceResidentsVisitor) -> None:
        """Show the visitor this link, its parameters, its persistent arrays, and its children.

        Ordinary attributes are not shown: extend this method to show them.
        """
        super().device_resident_accept(visitor)
        for name in sorted(self._params):
            visitor.visit_variable(self.__dict__[name])
        for name in sorted(self._persistent):
            value = getattr(self, name)
            if is_array(value):
                object.__setattr__(self, name, visitor.visit_array(value))
        for _, child in self._named_children():
            child.device_resident_accept(visitor)

    def _adopt_copies(self, original: Self, copies: dict[int, Link]) -> None:
        """Put the copies of ``original``'s children, by the originals' ids, where the children are."""


def _attribute(link: Traversal, name: str) -> Any:
    try:
        return link.__dict__[name]
    except KeyError:
        raise KeyError(f"the source {type(link).__name__} has no {name!r}") from None


def _child(link: Traversal, name: str) -> Any:
    try:
        return link._find_child(name)
    except (KeyError, AttributeError):
        raise KeyError(f"the source {type(link).__name__} has no child {name!r}") from None


def _serialize_parameter(serializer: Any, name: str, param: Parameter) -> None:
    """Save a parameter's array, or load into it."""
    array = param.array
    if array is None and isinstance(serializer, Deserializer):
        stored = serializer.new_array(name, param.dtype_to_come)
    else:
        stored = serializer(name, array)
    if isinstance(serializer, Serializer) or stored is None or getattr(serializer, "rehearsing", False):
        return
    if array is None:
        param.initialize_from(stored)
    elif stored is not array:
        if stored.shape != array.shape:
            raise ValueError(f"parameter {name!r} has shape {array.shape}, the stored one {stored.shape}")
        copyto(array, stored)
    param.touch()
