"""Selection: which device a name, an array or a meeting of arrays means, and whose kernels are in force.

Most specific first: `use_backend` > the label pinned by ``to_device`` > ``KUSARI_BACKEND`` > the root backend of
the array's type.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np

from kusari.backend import legacy
from kusari.backend.backend import Backend
from kusari.backend.device import Device
from kusari.backend.discovery import get_backend, registry
from kusari.configuration import using_state
from kusari.errors import BackendUnavailable, DeviceMismatch

DeviceLike: TypeAlias = Any
"""A `Device`, a name (``numpy``, ``cupy:0``), or one of the documented older forms (``@cupy:0``, 0, -1)."""

_backend_of_type: Final = registry.of_type


def get_device(specifier: DeviceLike) -> Device:
    """Return the device that ``specifier`` names.

    Args:
        specifier: A `Device`, ``"name"``, ``"name:index"``, or an older form: ``"@name:index"``, an int or a
            decimal string (negative: the host; else a GPU).

    Raises:
        TypeError: Not one of these.
        ValueError: A malformed index, or one that does not exist.
        UnknownBackend: No backend is called so.
        BackendUnavailable: The backend cannot run here.

    >>> get_device("numpy")
    <device numpy>
    """
    if isinstance(specifier, Device):
        return specifier
    text = legacy.device_name(specifier)
    name, colon, index = text.partition(":")
    if colon and not index.isdecimal():
        raise ValueError(f"device {specifier!r}: expected a number after ':'")
    backend = get_backend(name)
    if colon and backend.on_host:
        raise ValueError(f"device {specifier!r}: the host has one memory; write {name!r}")
    return Device(backend, int(index or 0))


def backend_of_array(array: Any) -> Backend:
    """Return the root backend of an array's type, opening installed ones until one knows it.

    Raises:
        TypeError: No backend has such arrays; the message says which are installed.
    """
    kind = type(array)
    found = _backend_of_type.get(kind)
    if found is None:
        found = _backend_of_type[kind] = _search(array)
    return found


def _search(array: Any) -> Backend:
    for backend in registry.opened():
        if backend.base is None and isinstance(array, backend.array_types):
            return backend
    reasons = ""
    library = type(array).__module__.partition(".")[0]
    for name, spec in registry.specs().items():
        if spec.base is not None:
            continue
        try:
            backend = get_backend(name)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and the others may know the array
            if name == library or not isinstance(error, BackendUnavailable):
                reasons += f"; backend {name!r} does not open: {type(error).__name__}: {error}"
            continue
        if isinstance(array, backend.array_types):
            return backend
    installed = ", ".join(sorted(registry.specs())) or "none"
    hint = "; pip install kusari[numpy]" if isinstance(array, np.ndarray) and "numpy" not in registry.specs() else ""
    raise TypeError(
        f"no backend has arrays of type {type(array).__module__}.{type(array).__qualname__}; "
        f"installed backends: {installed}{hint}{reasons}"
    )


def device_of_array(array: Any) -> Device:
    """Return the device of an array: its memory, under the kernels that ``KUSARI_BACKEND`` prefers, if any."""
    root = backend_of_array(array)
    index = root.index_of(array)
    preferred = _preferred(root)
    return Device(root, index) if preferred is None else Device(preferred, index, pinned=False)


def get_device_from_array(*arrays: Any) -> Device:
    """Return the device of the first argument that is not on the host, else the host's.

    Args:
        *arrays: Arrays, or objects with an ``array`` attribute such as Variables.

    >>> get_device_from_array(np.ones(2))
    <device numpy>
    """
    found: Device | None = None
    for item in arrays:
        device = getattr(item, "device", None)
        if not isinstance(device, Device):
            device = device_of_array(item)
        found = found or device
        if not device.backend.on_host:
            return device
    return found or default_device()


def default_device() -> Device:
    """Return where parameters are made when nothing says otherwise: the host, under the preferred kernels."""
    host = backend_of_array(np.empty(0))
    preferred = _preferred(host)
    return Device(host) if preferred is None else Device(preferred, pinned=False)


def _preferred(root: Backend) -> Backend | None:
    name = os.environ.get("KUSARI_BACKEND")
    if not name or name == root.name:
        return None
    backend = get_backend(name)
    return backend if backend.root is root else None


def meet(first: Device, second: Device, what: str) -> Device:
    """Return the more specific of two labels over one memory.

    Raises:
        DeviceMismatch: Two memories, or two kernel sets neither of which is built on the other.
    """
    if first is second:
        return first
    if first.memory != second.memory:
        raise DeviceMismatch(_mismatch(first, second, what))
    if first.pinned != second.pinned:
        return first if first.pinned else second
    if second.backend in first.backend.chain:
        return first
    if first.backend in second.backend.chain:
        return second
    raise DeviceMismatch(
        f"{what}: inputs are labelled {first.name} and {second.name}, two kernel sets over one memory; "
        f"move one with to_device({first.name!r}), or choose with use_backend(...)"
    )


def _mismatch(first: Device, second: Device, what: str) -> str:
    advice = f"move one with to_device({first.name!r}) or to_device({second.name!r})"
    if first.backend.on_host or second.backend.on_host:
        away = second if first.backend.on_host else first
        advice = f"nothing is transferred behind your back: write get_device({away.name!r}).send(array)"
    return f"{what}: inputs are on {first.name} and {second.name}; {advice}"


def relabel(device: Device, backend: Backend) -> Device:
    """Return the same memory under the kernels that `use_backend` asks for.

    Raises:
        DeviceMismatch: Those kernels cannot run on that memory.
    """
    if device.backend is backend:
        return device
    if backend.root is not device.backend.root:
        raise DeviceMismatch(
            f"use_backend({backend.name!r}) cannot run on arrays of {device.name}; "
            f"move them with to_device({backend.name!r}) first"
        )
    return Device(backend, device.index)


@contextlib.contextmanager
def use_backend(name: str | Backend) -> Iterator[None]:
    """Run every function in the ``with`` block with one backend's kernels.

    Outputs are labelled with it, so that backward() finds the same kernels again after the block.

    Args:
        name: A backend, or its name; its arrays must be those of the functions' inputs.

    >>> with use_backend("numpy"):
    ...     pass
    """
    backend = get_backend(name) if isinstance(name, str) else name
    with using_state(backend=backend):
        yield


@contextlib.contextmanager
def using_device(specifier: DeviceLike) -> Iterator[Device]:
    """Make a device the library's current one within a ``with`` block.

    >>> with using_device("numpy") as device:
    ...     device.name
    'numpy'
    """
    device = get_device(specifier)
    with device.create_context():
        yield device


def get_array_module(*values: Any) -> Any:
    """Return the array module of the given arrays or Variables; the host's where none is on a device.

    >>> get_array_module(np.ones(2)).__name__
    'numpy'
    """
    arrays = [value for value in values if value is not None and not isinstance(value, bool | int | float | complex)]
    return get_device_from_array(*arrays).xp


def copyto(destination: Any, source: Any) -> None:
    """Copy one array's elements into another, across devices.

    Args:
        destination: Written in place, in its own dtype.
        source: Same shape, or one that broadcasts to it.

    >>> target = np.zeros(2, "f")
    >>> copyto(target, np.asarray([1, 2]))
    >>> target
    array([1., 2.], dtype=float32)
    """
    device = device_of_array(destination)
    sent = device.send(source)
    if sent.dtype != destination.dtype:
        sent = device.xp.astype(sent, destination.dtype)
    destination[...] = sent
