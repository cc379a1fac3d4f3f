"""The protocol of serialization: one object walks through its values, another one saves or loads each."""

from __future__ import annotations

from typing import Any, ClassVar, Self


class AbstractSerializer:
    """What ``serialize`` methods are given: call it for each value, index it for each part.

    A method ``serialize(serializer)`` is written once and serves both ways, because a value is handed in and comes
    back::

        def serialize(self, serializer):
            self.t = serializer("t", self.t)
            self.link.serialize(serializer["link"])
    """

    def __getitem__(self, key: str) -> Self:
        """Return the serializer of the part that goes by ``key``."""
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__(key)")

    def __call__(self, key: str, value: Any) -> Any:
        """Save or load one value.

        Args:
            key: Its name within this part.
            value: An array, a number, a string or None. Loading fills an array in place, where it can.

        Returns:
            ``value`` when saving; what the file has, in the type of ``value``, when loading.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(key, value)")


class Serializer(AbstractSerializer):
    """Base of what saves."""

    def save(self, obj: Any) -> None:
        """Save an object by way of its ``serialize`` method."""
        obj.serialize(self)


class Deserializer(AbstractSerializer):
    """Base of what loads."""

    rehearsing: ClassVar[bool] = False
    """True while a load is only tried: every value comes back as it was handed in, and nothing may be changed."""

    def new_array(self, key: str, dtype: Any) -> Any:
        """Load an array for what has no data yet, and so no shape.

        Args:
            key: Its name within this part.
            dtype: What it is wanted in; an array of another dtype may come back if that can be cast.

        Returns:
            An array, or None if that is what was saved.
        """
        return self(key, None)

    def load(self, obj: Any) -> None:
        """Load an object by way of its ``serialize`` method."""
        obj.serialize(self)
