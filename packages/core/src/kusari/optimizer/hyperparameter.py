"""Hyperparameters: named numbers that fall back to a parent's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


class Hyperparameter:
    """Hold named numbers; one that was not set here is read from the parent.

    An optimizer has one, and each update rule has one whose parent is the optimizer's: changing the optimizer's
    learning rate changes every rule's that has none of its own.

    Args:
        parent: Where to look for what is not set here.

    >>> shared = Hyperparameter()
    >>> shared.lr = 0.1
    >>> own = Hyperparameter(shared)
    >>> own.lr
    0.1
    >>> own.lr = 0.01
    >>> own, shared
    (Hyperparameter(lr=0.01), Hyperparameter(lr=0.1))
    """

    def __init__(self, parent: Hyperparameter | None = None) -> None:
        self._parent = parent

    @property
    def parent(self) -> Hyperparameter | None:
        """Where to look for what is not set here, or None."""
        return self._parent

    def __getattr__(self, name: str) -> Any:
        if name[0] == "_":  # looked up before __init__ has run, by copy and pickle
            raise AttributeError(name)
        parent = self._parent
        if parent is not None:
            return getattr(parent, name)
        known = ", ".join(self.get_dict()) or "none"
        raise AttributeError(f"no hyperparameter {name!r} is set, here or in a parent; set are: {known}")

    if TYPE_CHECKING:  # any name may be set

        def __setattr__(self, name: str, value: Any) -> None: ...

    def get_dict(self) -> dict[str, Any]:
        """Return every hyperparameter in force, the parent's included."""
        own = dict(vars(self))
        parent = own.pop("_parent")
        return own if parent is None else parent.get_dict() | own

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={value}" for name, value in self.get_dict().items())
        return f"{type(self).__name__}({numbers})"


class HyperparameterProxy:
    """Make an attribute of an optimizer stand for one of its ``hyperparam``.

    >>> class Example:
    ...     lr = HyperparameterProxy("lr")
    ...     def __init__(self):
    ...         self.hyperparam = Hyperparameter()
    >>> example = Example()
    >>> example.lr = 0.5
    >>> example.hyperparam
    Hyperparameter(lr=0.5)
    """

    def __init__(self, attr_name: str) -> None:
        self._attr_name = attr_name
        self.__doc__ = f"The hyperparameter ``{attr_name}``."

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else getattr(instance.hyperparam, self._attr_name)

    def __set__(self, instance: Any, value: Any) -> None:
        setattr(instance.hyperparam, self._attr_name, value)
