"""What hooks and updates share: on which device, and with whose kernels, they work on a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.backend.selection import relabel
from kusari.configuration import current_state

if TYPE_CHECKING:
    from kusari.backend import Backend, Device


def working_device(param: Any) -> Device:
    """Return the parameter's device, under the kernels that `use_backend` asks for."""
    backend = current_state().backend
    device: Device = param.device
    return device if backend is None else relabel(device, backend)


def kernels_of(param: Any) -> Backend:
    """Return the backend whose kernels are in force for a parameter."""
    return working_device(param).backend


def set_grad(param: Any, gradient: Any) -> None:
    """Give a parameter a gradient: an array, or the scalar that some libraries give instead of a 0-d one."""
    param.grad = param.device.backend.as_array(gradient, param.grad)
