"""The backend ``cupy``: arrays on NVIDIA GPUs, with CuPy's devices, streams and transfers."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from kusari.backend import Backend, Kernel
from kusari.backend.expression import Expression
from kusari.dtypes import DTypeLike, host_dtype
from kusari.errors import BackendUnavailable
from kusari_cupy.elementwise import FusedExpression
from kusari_cupy.foreach import run_rows
from kusari_cupy.layout import memory_order
from kusari_cupy.namespace import standard_namespace
from kusari_cupy.random import CupyRandom
from kusari_cupy.spec import INSTALL
from kusari_cupy.stream import CupyEvent, CupyStream, CupyTimer

if TYPE_CHECKING:
    from kusari.backend import Event, Stream, Timer
    from kusari.backend.random import RandomSource

KERNEL_MODULES: Final = ("conv", "norm", "pooling", "roi", "scatter", "softmax", "special")
"""Modules of ``kusari_cupy.kernels`` with a ``register(backend)``; they mirror core's."""

OLDEST_CUPY: Final = 14
"""The first major version that follows NumPy 2's promotion rules."""


def open_backend() -> Backend:
    """Return the backend.

    Raises:
        BackendUnavailable: CuPy is missing, broken or too old, or no GPU is visible; the message says which.
    """
    cupy = import_cupy()
    count = count_devices(cupy)
    backend = CupyBackend(cupy, standard_namespace(cupy), count)
    register_kernels(backend)
    return backend


def register_kernels(backend: CupyBackend) -> None:
    """Let the modules of kernels add theirs."""
    for name in KERNEL_MODULES:
        importlib.import_module(f"kusari_cupy.kernels.{name}").register(backend)


def import_cupy() -> ModuleType:
    """Import CuPy and check its version."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise BackendUnavailable(f"backend 'cupy': CuPy cannot be imported: {error}") from error
        raise BackendUnavailable(f"backend 'cupy': CuPy is not installed; {INSTALL}") from error
    except ImportError as error:  # a CUDA library that it was built for is not there
        raise BackendUnavailable(f"backend 'cupy': CuPy cannot be imported: {error}") from error
    if int(cupy.__version__.partition(".")[0]) < OLDEST_CUPY:
        raise BackendUnavailable(
            f"backend 'cupy': CuPy {cupy.__version__} is too old, {OLDEST_CUPY} or newer is needed; {INSTALL}"
        )
    return cast("ModuleType", cupy)


def count_devices(cupy: ModuleType) -> int:
    """Return how many GPUs are visible, at least one."""
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendUnavailable(f"backend 'cupy': no usable GPU or driver: {error}") from error
    if count == 0:
        raise BackendUnavailable("backend 'cupy': no GPU is visible; see nvidia-smi and CUDA_VISIBLE_DEVICES")
    return count


class CupyBackend(Backend):
    """Arrays on the GPUs that CUDA shows to this process.

    Args:
        cupy: The module itself, for what the standard does not have: devices, streams, events.
        xp: Its namespace by the array API standard; see `standard_namespace`.
        count: How many devices are visible.
    """

    def __init__(self, cupy: ModuleType, xp: ModuleType, count: int) -> None:
        super().__init__("cupy", xp, (cupy.ndarray,), contract=1)
        self.cupy = cupy
        self._devices = tuple(cupy.cuda.Device(index) for index in range(count))
        self._expressions: dict[Expression, FusedExpression] = {}
        self.cudnn: Any = None
        """A `kusari_cupy.cudnn.Library`, once a convolution was wanted and it was found."""

    # Devices. ------------------------------------------------------------------------------------------------

    def devices(self) -> tuple[Any, ...]:
        return self._devices

    def index_of(self, array: Any) -> int:
        return int(array.device.id)

    def use(self, index: int) -> contextlib.AbstractContextManager[None]:
        # A fresh object each time: entering one keeps the device to return to.
        return cast("contextlib.AbstractContextManager[None]", self.cupy.cuda.Device(index))

    def is_current(self, index: int) -> bool:
        return bool(self.cupy.cuda.runtime.getDevice() == index)

    # Transfers: CuPy's own know only C and Fortran order, so the axes go over in memory order. ----------------

    def to_host(self, array: Any) -> np.ndarray[Any, Any]:
        if isinstance(array, np.ndarray):
            return array.copy(order="K")
        order = memory_order(array.strides)
        with array.device:
            on_host: np.ndarray[Any, Any] = self.cupy.asnumpy(array.transpose(order))
        return on_host.transpose(np.argsort(order))

    def from_host(
        self, array: np.ndarray[Any, Any], index: int = 0, copy: bool = True, non_blocking: bool = False
    ) -> Any:
        self.device(index)  # raises where there is none
        order = memory_order(array.strides)
        source = array.transpose(order)
        # CuPy stages pageable memory before it returns, so only a pinned source is still being read then.
        pinned = self.cupy.cuda.pinned_memory.is_memory_pinned(source.ctypes.data)
        with self.use(index):
            on_device = self.cupy.array(
                source, dtype=self.native_dtype(array.dtype), order="C", blocking=pinned and not non_blocking
            )
        return on_device.transpose(np.argsort(order).tolist())

    def transfer(self, array: Any, index: int) -> Any:
        self.device(index)  # raises where there is none
        order = memory_order(array.strides)
        with array.device:
            here = self.cupy.cuda.get_current_stream()
            source = self.cupy.ascontiguousarray(array.transpose(order))
            ready = here.record()
        with self.use(index):
            there = self.cupy.cuda.get_current_stream()
            there.wait_event(ready)
            copied = source.copy()
            read = there.record()
        with array.device:  # the pool must not hand out the source's memory before it has been read
            here.wait_event(read)
        return copied.reshape([array.shape[axis] for axis in order]).transpose(np.argsort(order).tolist())

    # Time. ---------------------------------------------------------------------------------------------------

    def synchronize(self, index: int = 0) -> None:
        self.device(index).synchronize()

    def current_stream(self, index: int = 0) -> Stream:
        self.device(index)  # raises where there is none
        return CupyStream(self.cupy, self.cupy.cuda.get_current_stream(index))

    def event(self) -> Event:
        return CupyEvent(self.cupy)

    def timer(self) -> Timer:
        return CupyTimer(self.cupy)

    # Data types. ---------------------------------------------------------------------------------------------

    @property
    def dtypes(self) -> frozenset[str]:
        """The standard's, and bfloat16 where the package ml_dtypes is there, whose type CuPy takes for it."""
        try:
            host_dtype("bfloat16")
        except TypeError:
            return super().dtypes
        return super().dtypes | {"bfloat16"}

    def native_dtype(self, dtype: DTypeLike) -> Any:
        host = host_dtype(dtype)
        return host if host.name == "bfloat16" else super().native_dtype(host)

    # Kernels and random numbers. ------------------------------------------------------------------------------

    def random(self, seed: int | None = None) -> RandomSource:
        """Return a source that draws on the device."""
        return CupyRandom(self, self.cupy, seed)

    def compile_elementwise(self, expression: Expression) -> Callable[..., Any]:
        """Return the expression as one fused kernel, ``(backend, *arrays, *scalars)``."""
        found = self._expressions.get(expression)
        if found is None:
            found = self._expressions[expression] = FusedExpression(expression, self.cupy)
        return found

    def foreach(
        self,
        kernel: Kernel[..., Any],
        columns: Sequence[Sequence[Any]],
        scalar_rows: Sequence[Sequence[float]],
    ) -> list[tuple[Any, ...]]:
        """Run one elementwise kernel over many rows of arrays, in one launch per set of dtypes."""
        fused: FusedExpression | None = self.compiled_update(kernel)
        if fused is None:
            return super().foreach(kernel, columns, scalar_rows)
        return run_rows(fused, self, list(zip(zip(*columns, strict=True), scalar_rows, strict=True)))
