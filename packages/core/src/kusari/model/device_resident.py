"""DeviceResident: what has a device, and can be moved."""

from __future__ import annotations

from typing import Any, Self

from kusari.autograd.variable import Variable
from kusari.backend import Device, default_device, device_of_array, get_device
from kusari.backend.selection import DeviceLike
from kusari.initializers.constant import is_array as looks_like_array
from kusari.model.legacy import LegacyMoves
from kusari.model.visitor import DeviceResidentsVisitor, ToDevice


class DeviceResident(LegacyMoves):
    """Have a device: a label that moves set, and arrays that moves take along.

    To move more than registered parameters and persistent values, define ``device_resident_accept(visitor)``: call
    super's, then ``self.x = visitor.visit_array(self.x)``.

    >>> class Statistics(DeviceResident):
    ...     def __init__(self):
    ...         self.mean = np.zeros(3)
    ...
    ...     def device_resident_accept(self, visitor):
    ...         super().device_resident_accept(visitor)
    ...         self.mean = visitor.visit_array(self.mean)
    >>> Statistics().to_device("numpy").device
    <device numpy>
    """

    _device: Device | None = None

    @property
    def device(self) -> Device:
        """Where the last move went; the host where there was none."""
        return default_device() if self._device is None else self._device

    @property
    def xp(self) -> Any:
        """The array module of the device."""
        return self.device.xp

    def device_resident_accept(self, visitor: DeviceResidentsVisitor) -> None:
        """Show the visitor everything that lives on a device."""
        visitor.visit_device_resident(self)

    def to_device(self, device: DeviceLike) -> Self:
        """Move to a device, with everything below.

        Args:
            device: A `Device`, or what names one: ``"numpy"``, ``"cupy:0"``.

        Returns:
            Self.
        """
        self.device_resident_accept(ToDevice(get_device(device)))
        return self


def is_array(value: Any) -> bool:
    """Tell whether ``value`` is an array of some installed backend.

    >>> is_array(np.ones(2)), is_array(3), is_array([1])
    (True, False, False)
    """
    if not looks_like_array(value) or isinstance(value, Variable):
        return False
    try:
        device_of_array(value)
    except TypeError:
        return False
    return True
