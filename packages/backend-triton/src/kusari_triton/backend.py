"""The backends ``triton``, on a GPU, and ``triton-interpret``, and why one of them cannot be opened here."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from kusari.backend import Backend, Kernel, get_backend
from kusari.backend.expression import Expression
from kusari.dtypes import DTypeLike, host_dtype
from kusari.errors import BackendUnavailable
from kusari.types import Shape
from kusari_triton.interpreter import INTERPRET, requested

if TYPE_CHECKING:
    import numpy as np

    from kusari.backend.random import RandomSource
    from kusari.backend.stream import Event, Stream, Timer
    from kusari_triton.elementwise import FusedExpression
    from kusari_triton.gpu import CupyLauncher
    from kusari_triton.launch import Launcher

KERNEL_MODULES: Final = ("conv", "conv_stack", "norm", "rnn", "softmax")
"""Modules of ``kusari_triton.kernels`` with a ``register(backend)``: core's, whose ``conv`` is in two files."""

OLDEST_CAPABILITY: Final = 80
"""The oldest GPU: bfloat16 and tf32 came with it, and no kernel was compiled for one before."""

_OLDEST: Final = (3, 6)
_BEFORE: Final = (3, 10)


class TritonBackend(Backend):
    """Kernels in Triton over the arrays of a base backend.

    Args:
        name: ``triton`` or ``triton-interpret``.
        base: Whose arrays and other kernels it inherits.
        launcher: What runs a `Launch`.
    """

    def __init__(self, name: str, base: Backend, launcher: Launcher) -> None:
        super().__init__(name, base.xp, base=base, contract=1)
        self.launcher = launcher
        self._expressions: dict[Expression, FusedExpression] = {}

    def empty(self, shape: Shape, dtype: Any, device: Any) -> Any:
        """Return an uninitialised array, for a kernel to fill; ``dtype`` and ``device`` are native."""
        return self.xp.empty(shape, dtype=dtype, device=device)

    def empty_channels_last(self, shape: Shape, like: Any) -> Any:
        """Return an uninitialised (N, C, *spatial), channels-last in memory, of ``like``'s dtype and device."""
        images, channels, *spatial = shape
        memory = self.empty((images, *spatial, channels), like.dtype, like.device)
        return self.xp.permute_dims(memory, (0, len(shape) - 1, *range(1, len(shape) - 1)))

    def compile_elementwise(self, expression: Expression) -> Callable[..., Any]:
        """Return the expression as one fused kernel, ``(backend, *arrays, *scalars)``."""
        from kusari_triton.elementwise import FusedExpression

        found = self._expressions.get(expression)
        if found is None:
            found = self._expressions[expression] = FusedExpression(expression, self.launcher)
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
        from kusari_triton.foreach import run_rows

        return run_rows(fused, self, list(zip(zip(*columns, strict=True), scalar_rows, strict=True)))


class InterpretedBackend(TritonBackend):
    """NumPy's arrays, Triton's kernels, run by Triton's interpreter: the kernels' numbers without a GPU."""

    @property
    def dtypes(self) -> frozenset[str]:
        """The base's, and bfloat16 where the package ml_dtypes is there: kernels have it on a GPU."""
        try:
            host_dtype("bfloat16")
        except TypeError:
            return super().dtypes
        return super().dtypes | {"bfloat16"}

    def native_dtype(self, dtype: DTypeLike) -> Any:
        host = host_dtype(dtype)
        return host if host.name == "bfloat16" else super().native_dtype(host)


class GpuBackend(TritonBackend):
    """CuPy's arrays, Triton's kernels, launched through CuPy."""

    def __init__(self, base: Backend, launcher: CupyLauncher) -> None:
        super().__init__("triton", base, launcher)
        self._memory = launcher.with_memory
        self._base = base

    def empty(self, shape: Shape, dtype: Any, device: Any) -> Any:
        """Return an uninitialised array; where memory runs out, CuPy's pools are freed for it once.

        Raises:
            MemoryError: Not even then; the message has the sizes.
        """
        return self._memory(
            lambda: self.xp.empty(shape, dtype=dtype, device=device), lambda: f"a new array {shape} of {dtype}"
        )  # fmt: skip

    # Devices, transfers and time are CuPy's. -------------------------------------------------------------------

    def index_of(self, array: Any) -> int:
        return self._base.index_of(array)

    def use(self, index: int) -> contextlib.AbstractContextManager[None]:
        return self._base.use(index)

    def is_current(self, index: int) -> bool:
        return self._base.is_current(index)

    def to_host(self, array: Any) -> np.ndarray[Any, Any]:
        return self._base.to_host(array)

    def from_host(
        self, array: np.ndarray[Any, Any], index: int = 0, copy: bool = True, non_blocking: bool = False
    ) -> Any:
        return self._base.from_host(array, index, copy, non_blocking)

    def transfer(self, array: Any, index: int) -> Any:
        return self._base.transfer(array, index)

    def as_array(self, value: Any, like: Any) -> Any:
        return self._base.as_array(value, like)

    def synchronize(self, index: int = 0) -> None:
        self._base.synchronize(index)

    def current_stream(self, index: int = 0) -> Stream:
        return self._base.current_stream(index)

    def event(self) -> Event:
        return self._base.event()

    def timer(self) -> Timer:
        return self._base.timer()

    def random(self, seed: int | None = None) -> RandomSource:
        return self._base.random(seed)


def triton_backend(backend: Backend) -> TritonBackend:
    """Return the backend whose kernels these are: the calling one, or one that it builds on."""
    return next(link for link in backend.chain if isinstance(link, TritonBackend))


def open_interpreter() -> Backend:
    """Return the backend ``triton-interpret``.

    Raises:
        BackendUnavailable: Triton is missing or of another version, or the environment does not ask for it.
    """
    _require_triton("triton-interpret")
    if not requested():
        raise BackendUnavailable(
            f"backend 'triton-interpret' runs where {INTERPRET}=1 was set before Python started; "
            "on a machine with a GPU use 'triton', without one 'numpy' is faster"
        )
    from kusari_triton.launch import Interpreter

    backend = InterpretedBackend("triton-interpret", get_backend("numpy"), Interpreter())
    _register_kernels(backend)
    return backend


def open_triton() -> Backend:
    """Return the backend ``triton``.

    Raises:
        BackendUnavailable: Triton is missing or of another version, the environment asks for its interpreter, or
            there is no CuPy, no GPU, or an old one.
    """
    _require_triton("triton")
    if requested():
        raise BackendUnavailable(
            f"backend 'triton' compiles its kernels, but {INTERPRET} is set; unset it, or use 'triton-interpret'"
        )
    base = get_backend("cupy")  # raises, with its reason, where there is no CuPy or no GPU
    for index, device in enumerate(base.devices()):
        if int(device.compute_capability) < OLDEST_CAPABILITY:
            raise BackendUnavailable(
                f"backend 'triton' needs compute capability {OLDEST_CAPABILITY / 10} or newer, device {index} has "
                f"{int(device.compute_capability) / 10}; use 'cupy', or hide the device with CUDA_VISIBLE_DEVICES"
            )
    import cupy

    from kusari_triton.gpu import CupyLauncher

    backend = GpuBackend(base, CupyLauncher(cupy))
    _register_kernels(backend)
    return backend


def _register_kernels(backend: TritonBackend) -> None:
    for name in KERNEL_MODULES:
        importlib.import_module(f"kusari_triton.kernels.{name}").register(backend)


def _require_triton(name: str) -> None:
    try:
        version = importlib.metadata.version("triton")
    except importlib.metadata.PackageNotFoundError:
        raise BackendUnavailable(f"backend {name!r} needs Triton: pip install 'triton>=3.6,<3.10' (Linux)") from None
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if not _OLDEST <= numbers < _BEFORE:
        raise BackendUnavailable(
            f"backend {name!r} needs Triton 3.6 to 3.9, found {version}: pip install 'triton>=3.6,<3.10'"
        )
