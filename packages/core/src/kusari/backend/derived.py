"""Values derived from a parameter's array (packed or transformed filters), made once per version of it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final

_NOTHING: Final = object()
"""In the place of a value that was asked for once."""
_storages: Final[dict[int, weakref.ref[Storage]]] = {}


class Storage:
    """Hold a parameter's array and its version.

    Copies of a parameter that share data share one of these. Every change of the array, in place or not, raises the
    version, which is what lets backends keep packed filters.
    """

    __slots__ = ("__weakref__", "_array", "version")

    def __init__(self, array: Any = None) -> None:
        self._array: Any = None
        self.version = 0
        if array is not None:
            self.array = array

    @property
    def array(self) -> Any:
        """The array, or None before initialization. Setting it raises the version."""
        return self._array

    @array.setter
    def array(self, array: Any) -> None:
        if array is not self._array:
            self._leave()
            self._array = array
            if array is not None:
                key = id(array)
                _storages[key] = weakref.ref(self)
        self.version += 1

    def touch(self) -> None:
        """Raise the version after a change in place."""
        self.version += 1

    def _leave(self) -> None:
        reference = _storages.get(id(self._array))
        if reference is not None and reference() in (self, None):
            del _storages[id(self._array)]

    def __del__(self) -> None:
        if _storages is not None:  # at interpreter exit module globals may be gone
            self._leave()

    def __reduce__(self) -> Any:
        return Storage, (self._array,)


class Derived:
    """Remember values made from parameters' arrays on one backend.

    >>> weight = np.ones((2, 3), "f")
    >>> storage, derived = Storage(weight), Derived()
    >>> packed = derived(weight, "transposed", np.transpose)
    >>> derived(weight, "transposed", np.transpose) is packed
    True
    >>> storage.touch()
    >>> derived(weight, "transposed", np.transpose) is packed
    False
    """

    def __init__(self) -> None:
        self._made: weakref.WeakKeyDictionary[Storage, dict[Any, tuple[int, Any]]] = weakref.WeakKeyDictionary()

    def __call__(
        self, array: Any, key: Any, make: Callable[[Any], Any], once: Callable[[Any], Any] | None = None
    ) -> Any:
        """Return ``make(array)``, remembered while ``array`` is a parameter's and its version stands.

        Args:
            array: Any array. One that is not a parameter's is not remembered.
            key: What is made, hashable: a name, or a name with static arguments.
            make: Called with ``array``.
            once: Called instead where nothing asked for this version before, and not remembered: in training each
                version serves one iteration, and what is large may as well lie in scratch memory. A version that is
                asked for again is made to stay.
        """
        reference = _storages.get(id(array))
        storage = None if reference is None else reference()
        if storage is None or storage._array is not array:
            return make(array) if once is None else once(array)
        made = self._made.setdefault(storage, {})
        version, value = made.get(key, (None, _NOTHING))
        if version != storage.version and once is not None:
            made[key] = (storage.version, _NOTHING)
            return once(array)
        if version != storage.version or value is _NOTHING:
            version = storage.version
            value = make(array)
            made[key] = (version, value)
        return value
