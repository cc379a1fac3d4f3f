"""The moves of old programs, which name libraries: the one file of ``model/`` that does."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from kusari.autograd.parameter import Parameter
from kusari.backend import Device, default_device, device_of_array, get_device
from kusari.errors import UnknownBackend
from kusari.model.visitor import DeviceResidentsVisitor, ToDevice

if TYPE_CHECKING:
    from kusari.model.device_resident import DeviceResident

FINAL: Final = ("to_device", "to_chx", "from_chx", "to_chainerx", "from_chainerx")
"""What a class may not define anew: ``device_resident_accept`` is the place for what else is to be moved."""
OVERRIDABLE: Final = ("to_cpu", "to_gpu", "to_intel64")
"""What old programs define anew; theirs is called in a move, too."""


class LegacyMoves:
    """The methods ``to_cpu``, ``to_gpu`` and their like; `DeviceResident` has them."""

    _overridden_moves: ClassVar[frozenset[str]] = frozenset()
    _device: Device | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in FINAL:
            if name in vars(cls) and any(name in vars(base) for base in cls.__mro__[1:]):
                raise TypeError(
                    f"{cls.__name__} may not define {name}(); define device_resident_accept(visitor) instead: call "
                    "super's, then self.x = visitor.visit_array(self.x)"
                )
        for name in OVERRIDABLE:
            if name in vars(cls):
                warnings.warn(
                    f"{cls.__name__} defines {name}(); define device_resident_accept(visitor) instead",
                    DeprecationWarning,
                    stacklevel=3,
                )
        cls._overridden_moves = frozenset(
            name for name in OVERRIDABLE if getattr(cls, name) is not getattr(LegacyMoves, name)
        )

    if TYPE_CHECKING:

        def device_resident_accept(self, visitor: DeviceResidentsVisitor) -> None: ...

        @property
        def device(self) -> Device: ...

    @contextlib.contextmanager
    def _move_running(self) -> Iterator[None]:
        """Keep a move that runs the class's own ``to_gpu`` from running it again when that calls super's."""
        if "_moves_itself" in self.__dict__:
            yield
            return
        self.__dict__["_moves_itself"] = True
        try:
            yield
        finally:
            del self.__dict__["_moves_itself"]

    def _run_overridden_move(self, device: Device) -> None:
        """Call the class's own ``to_cpu`` or its like, if it has one and this is not inside it."""
        if not self._overridden_moves or "_moves_itself" in self.__dict__:
            return
        arguments: tuple[int, ...] = ()
        if device.backend.name == "intel64":
            name = "to_intel64"
        elif device.backend.on_host:
            name = "to_cpu"
        else:
            name, arguments = "to_gpu", (device.index,)
        if name in self._overridden_moves:
            with self._move_running():
                getattr(self, name)(*arguments)

    def _move(self, visitor: DeviceResidentsVisitor) -> Self:
        with self._move_running():
            self.device_resident_accept(visitor)
        return self

    def to_cpu(self) -> Self:
        """Move to the host.

        Deprecated: use ``to_device("numpy")``.
        """
        _warn("to_cpu()", "to_device('numpy')")
        return self._move(ToDevice(default_device()))

    def to_gpu(self, device: Any = None) -> Self:
        """Move what is on the host to a GPU; what is on another one stays there, with a warning.

        Deprecated: use ``to_device("cupy:0")``, which moves between GPUs, too.

        Args:
            device: A GPU's number; None: the current one.

        Raises:
            RuntimeError: There is no GPU, or no backend for it; the text names what to install.
        """
        _warn("to_gpu()", "to_device('cupy:0')")
        return self._move(_ToGpu(_gpu(device)))

    def to_intel64(self) -> Self:
        """Move to a backend called intel64.

        Deprecated: use ``to_device``.

        Raises:
            RuntimeError: There is none; the text names what does its work today.
        """
        _warn("to_intel64()", "to_device('numpy')")
        try:
            target = get_device("intel64")
        except UnknownBackend:
            raise RuntimeError(
                "to_intel64(): no backend is called intel64 (iDeep has ended); fused kernels for the host: "
                "pip install kusari-backend-numpy[fast], then to_device('numpy')"
            ) from None
        return self._move(ToDevice(target))

    def to_chx(self) -> Self:
        """Raise: ChainerX has ended.

        Raises:
            RuntimeError: Always; the text names what to install instead.
        """
        raise RuntimeError("to_chx(): ChainerX has ended; pip install kusari-backend-cupy, then to_device('cupy:0')")

    def from_chx(self) -> Self:
        """Return self: there are no ChainerX arrays to convert."""
        return self

    def to_chainerx(self) -> Self:
        """Do what `to_chx` does, by its older name.

        Deprecated: use ``to_device``.
        """
        _warn("to_chainerx()", "to_device()")
        return self.to_chx()

    def from_chainerx(self) -> Self:
        """Do what `from_chx` does, by its older name.

        Deprecated: nothing is needed in its place.
        """
        _warn("from_chainerx()", "nothing")
        return self.from_chx()

    @property
    def _device_id(self) -> int | None:
        """A GPU's number, or None on the host.

        Deprecated: use ``device``.
        """
        _warn("_device_id", "device")
        device = self.device
        return None if device.backend.on_host else device.index


class _ToGpu(ToDevice):
    """Move what is on the host; leave what is on a device, and say so where it is another one."""

    def visit_device_resident(self, device_resident: DeviceResident) -> None:
        if self._stays(device_resident.device):
            device_resident._run_overridden_move(device_resident.device)
        else:
            super().visit_device_resident(device_resident)

    def visit_array(self, arr: Any) -> Any:
        device = device_of_array(arr)
        if self._stays(device):
            self._warn_if_other(device, "an array")
            return arr
        return super().visit_array(arr)

    def visit_variable(self, param: Parameter) -> None:
        if self._stays(param.device):
            self._warn_if_other(param.device, f"parameter {param.name!r}")
        else:
            super().visit_variable(param)

    def _stays(self, device: Device) -> bool:
        return not device.backend.on_host

    def _warn_if_other(self, device: Device, what: str) -> None:
        if device.memory != self.device.memory:
            warnings.warn(
                f"to_gpu(): {what} stays on {device.name}; to_device({self.device.name!r}) would move it to "
                f"{self.device.name}",
                RuntimeWarning,
                stacklevel=2,
            )


def _gpu(device: Any) -> Device:
    try:
        found = get_device(0 if device is None else device)
    except UnknownBackend as error:
        raise RuntimeError(f"to_gpu(): {error}") from None
    if device is None:
        backend = found.backend
        current = next((index for index in range(len(backend.devices())) if backend.is_current(index)), 0)
        return Device(backend, current)
    return found


def _warn(old: str, new: str) -> None:
    warnings.warn(f"{old} is deprecated; use {new}", DeprecationWarning, stacklevel=3)
