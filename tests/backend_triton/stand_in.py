"""A stand-in for CuPy on host memory: it notes what is loaded and launched, and runs out of memory when told to."""

from __future__ import annotations

import contextlib
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np


class DriverError(RuntimeError):
    """What CUDA's driver says, with its number."""

    def __init__(self, status: int) -> None:
        super().__init__(f"CUDA error {status}")
        self.status = status


class StandInArray(np.ndarray[Any, Any]):
    """A NumPy array that knows a device and an address, as CuPy's do."""

    device = "device 0"

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.ctypes.data, device_id=0)


class StandInCupy(ModuleType):
    """The calls that the launcher makes of CuPy.

    `loaded` and `launched` fill up; each call of CUDA first takes an error off `failures`, if there is one.
    """

    __version__ = "14.0.0"

    def __init__(self) -> None:
        super().__init__("cupy")
        self.loaded: list[bytes] = []
        self.launched: list[tuple[str, Any, Any, Any, int]] = []
        self.attributes: list[tuple[int, int]] = []
        self.failures: list[Exception | None] = []
        self.taken = {3: 0, 4: 32}  # local bytes and registers of every function
        self.freed = 0
        self.ndarray = StandInArray
        pool = SimpleNamespace(free_all_blocks=self._free, used_bytes=lambda: 3 * 2**20)
        self.get_default_memory_pool = lambda: pool
        self.get_default_pinned_memory_pool = lambda: SimpleNamespace(free_all_blocks=lambda: None)
        runtime = SimpleNamespace(
            getDevice=lambda: 0,
            CUDARuntimeError=DriverError,
            memGetInfo=lambda: (5 * 2**20, 80 * 2**20),
            cudaDevAttrMaxSharedMemoryPerBlockOptin=97,
            deviceGetAttribute=lambda attribute, device: {97: 232_448}[attribute],
            getDeviceProperties=lambda device: {"name": b"Stand-in 90"},
        )
        driver = SimpleNamespace(
            CUDADriverError=DriverError,
            funcSetAttribute=self._set_attribute,
            funcGetAttribute=lambda attribute, function: self.taken[attribute],
        )
        self.cuda = SimpleNamespace(Device=_Device, Module=self._module, driver=driver, runtime=runtime)

    def fail(self) -> None:
        """Raise what was ordered for this call."""
        error = self.failures.pop(0) if self.failures else None
        if error is not None:
            raise error

    def _free(self) -> None:
        self.freed += 1

    def _set_attribute(self, function: int, attribute: int, value: int) -> None:
        self.attributes.append((attribute, value))

    def _module(self) -> Any:
        return _Module(self)


class _Device(contextlib.nullcontext[None]):
    compute_capability = "90"

    def __init__(self, index: int) -> None:
        super().__init__()


class _Module:
    def __init__(self, cupy: StandInCupy) -> None:
        self._cupy = cupy

    def load(self, cubin: bytes) -> None:
        self._cupy.fail()
        self._cupy.loaded.append(cubin)

    def get_function(self, name: str) -> _Function:
        return _Function(self._cupy, name)


class _Function:
    ptr = 0

    def __init__(self, cupy: StandInCupy, name: str) -> None:
        self._cupy = cupy
        self._name = name

    def __call__(self, grid: Any, block: Any, arguments: Any, shared: int) -> None:
        self._cupy.fail()
        self._cupy.launched.append((self._name, grid, block, arguments, shared))


class Namespace:
    """NumPy's namespace, whose new arrays are the stand-in's."""

    float32 = np.float32

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any = float, device: Any = None) -> Any:
        return np.empty(shape, dtype).view(StandInArray)


def array(*shape: int, dtype: Any = np.float32) -> StandInArray:
    """Return zeros, aligned as an allocator on a GPU aligns."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 256, np.uint8)
    start = -memory.ctypes.data % 256
    return memory[start : start + size].view(dtype).reshape(shape).view(StandInArray)


def base() -> Any:
    """Return a backend in the place of ``cupy``."""
    from kusari.backend import Backend

    class Base(Backend):
        def from_host(
            self, array: np.ndarray[Any, Any], index: int = 0, copy: bool = True, non_blocking: bool = False
        ) -> Any:
            return array.copy().view(StandInArray)

        def devices(self) -> tuple[Any, ...]:
            return ("device 0",)

    return Base("cupy", Namespace(), (StandInArray,), contract=1)


def gpu_backend() -> tuple[Any, StandInCupy]:
    """Return the backend ``triton`` over the stand-in."""
    from kusari_triton.backend import GpuBackend, _register_kernels
    from kusari_triton.gpu import CupyLauncher

    cupy = StandInCupy()
    backend = GpuBackend(base(), CupyLauncher(cupy))
    _register_kernels(backend)
    return backend, cupy
