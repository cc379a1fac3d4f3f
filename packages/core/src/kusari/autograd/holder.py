"""Holder: the data of a parameter, which copies of it share."""

from __future__ import annotations

import weakref
import zlib
from typing import TYPE_CHECKING, Any

from kusari.backend import backend_of_array, device_of_array
from kusari.backend.derived import Storage

if TYPE_CHECKING:
    from kusari.autograd.parameter import Parameter
    from kusari.backend import Device


class Holder(Storage):
    """Hold a parameter's array, and know the parameters that share it.

    Copied and pickled with its array, so that parameters that share one still do afterwards.
    """

    __slots__ = ("_members", "remembered")

    def __init__(self, array: Any = None) -> None:
        self._members: list[weakref.ref[Parameter]] = []
        self.remembered: tuple[int, int] | None = None
        """The version and checksum at `remember`: debug mode's means to see writes in place."""
        super().__init__(array)

    def join(self, parameter: Parameter) -> None:
        """Add a parameter to those that share the array."""
        self._members = [member for member in self._members if member() is not None]
        self._members.append(weakref.ref(parameter))

    def members(self) -> list[Parameter]:
        """Return the living parameters that share the array."""
        return [parameter for member in self._members if (parameter := member()) is not None]

    def remember(self) -> None:
        """Take the array's checksum, for `is_as_remembered`."""
        self.remembered = None if self._array is None else (self.version, self._checksum())

    def is_as_remembered(self) -> bool:
        """Tell whether the array is what it was; a new version, or a first look, is remembered and is as it should."""
        if self.remembered is None or self.remembered[0] != self.version:
            self.remember()
            return True
        return self.remembered[1] == self._checksum()

    def _checksum(self) -> int:
        return zlib.crc32(backend_of_array(self._array).to_host(self._array).tobytes())

    def __deepcopy__(self, memo: dict[int, Any]) -> Holder:
        array = self._array
        # Not copy.deepcopy(array): what a library does there is its own affair; this keeps strides and dtype objects.
        twin = Holder(None if array is None else backend_of_array(array).xp.asarray(array, copy=True))
        memo[id(self)] = twin
        return twin

    def __reduce__(self) -> Any:
        if self._array is None:
            return Holder, ()
        device = device_of_array(self._array)
        return _restore, (device.backend.to_host(self._array), device)


def _restore(host: Any, device: Device) -> Holder:
    return Holder(device.send(host))
