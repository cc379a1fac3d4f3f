"""Visitors: what walks over everything that lives on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.autograd.parameter import Parameter

if TYPE_CHECKING:
    from kusari.backend import Device
    from kusari.model.device_resident import DeviceResident


class DeviceResidentsVisitor:
    """Walk over residents, their arrays and their parameters; ``device_resident_accept`` calls these methods."""

    def visit_device_resident(self, device_resident: DeviceResident) -> None:
        """Called for each resident, before its arrays."""
        raise NotImplementedError(f"{type(self).__name__} does not define visit_device_resident()")

    def visit_array(self, arr: Any) -> Any:
        """Return what takes the place of an array."""
        raise NotImplementedError(f"{type(self).__name__} does not define visit_array()")

    def visit_variable(self, param: Parameter) -> None:
        """Called for each parameter."""
        raise NotImplementedError(f"{type(self).__name__} does not define visit_variable()")


class ToDevice(DeviceResidentsVisitor):
    """Move everything to one device."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def visit_device_resident(self, device_resident: DeviceResident) -> None:
        """Label the resident, and run its own ``to_cpu`` or ``to_gpu`` where an old program defined one."""
        device_resident._device = self.device
        device_resident._run_overridden_move(self.device)

    def visit_array(self, arr: Any) -> Any:
        """Return the array, moved."""
        return self.device.send(arr)

    def visit_variable(self, param: Parameter) -> None:
        """Move the parameter, its gradient, and where it is going to be initialized."""
        param.to_device(self.device)
