"""Launch compiled kernels through CuPy: it loads the machine code, and its current stream takes the launch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib.metadata import version
from types import ModuleType
from typing import Any, Final, TypeVar

import numpy as np

from kusari.backend.generated import cache_folder
from kusari.configuration import config
from kusari_triton.compiled import PACKERS, Compiled, compile_launch
from kusari_triton.errors import KernelError
from kusari_triton.launch import ALIGNMENT, Launch, Variants, specialize
from kusari_triton.tuner import Candidate, Choices, Taken, Tuner, event_timer

T = TypeVar("T")

PREPARED: Final = 1024
"""How many launches one plan remembers, each a few kilobytes; with more kinds of layouts it starts anew."""

_MAX_DYNAMIC_SHARED: Final = 8
"""CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES."""
_LOCAL_SIZE_BYTES: Final = 3
"""CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES."""
_NUM_REGS: Final = 4
"""CU_FUNC_ATTRIBUTE_NUM_REGS."""
_WITHOUT_ASKING: Final = 48 * 1024
"""Bytes of shared memory that a kernel gets unasked."""
_OUT_OF_MEMORY: Final = 2
"""Both CUDA_ERROR_OUT_OF_MEMORY and cudaErrorMemoryAllocation."""


class Prepared:
    """A launch made ready: loaded, its integers packed; arrays and floating-point numbers go in call by call.

    It holds no array of the launch that it was made of.
    """

    def __init__(self, function: Any, launch: Launch, compiled: Compiled) -> None:
        self.described = str(launch)
        self.function = function
        self._grid = launch.grid
        self._block = (32 * launch.num_warps, 1, 1)
        self._shared = compiled.shared
        self._packed: list[Any] = []
        self._arrays: list[tuple[int, str]] = []
        self._numbers: list[tuple[int, str, Callable[[Any], Any]]] = []
        for place, slot in enumerate(compiled.slots):
            value = launch.arguments[slot.name]
            if slot.pointer:
                self._arrays.append((place, slot.name))
            elif isinstance(value, float):
                self._numbers.append((place, slot.name, PACKERS[slot.type]))
            # CuPy passes a Python int in 8 bytes, a NumPy scalar in its own.
            self._packed.append(None if slot.pointer else PACKERS[slot.type](value))
        self._packed += [np.uint64(0)] * compiled.hidden

    def __call__(self, arguments: Mapping[str, Any]) -> None:
        """Put the launch on CuPy's current stream, and return without waiting for it."""
        packed = self._packed.copy()
        for place, name in self._arrays:
            packed[place] = arguments[name]
        for place, name, pack in self._numbers:
            packed[place] = pack(arguments[name])
        self.function(self._grid, self._block, tuple(packed), self._shared)


class CupyLauncher:
    """Run launches on the GPUs that CuPy shows.

    Args:
        cupy: The module.
        timer: Returns the milliseconds that one run of its argument takes; CuPy's events without it.
    """

    interpreted: Final = False

    def __init__(self, cupy: ModuleType, timer: Callable[[Callable[[], None]], float] | None = None) -> None:
        self._cupy = cupy
        self._timer = timer or event_timer(cupy)
        self._current_device: Callable[[], int] = cupy.cuda.runtime.getDevice
        self._errors = (cupy.cuda.driver.CUDADriverError, cupy.cuda.runtime.CUDARuntimeError, MemoryError)
        self._loaded: dict[Any, tuple[Any, Compiled]] = {}
        self._loading = threading.Lock()

    def run(
        self,
        plans: dict[Any, Any],
        key: Hashable,
        arguments: Mapping[str, Any],
        make: Callable[[], Launch],
        variants: Variants | None = None,
    ) -> None:
        """Launch; the kernel is compiled, loaded and its arguments packed when this combination is new.

        Args:
            plans: The caller's; it keeps what is made ready here.
            key: With it, and the arrays' strides and alignment, all else of the launch is the same.
            arguments: Arrays and floating-point numbers, which vary from call to call.
            make: Describes the launch.
            variants: Others that compute the same; where `config.autotune` is on when the combination is new, the
                fastest of them all is taken.

        Raises:
            KernelError: It does not compile or CUDA refuses it.
            MemoryError: The device has no room, even without what CuPy's pools keep.
        """
        device = next(value for value in arguments.values() if not isinstance(value, float | None)).data.device_id
        if device != self._current_device():
            with self._cupy.cuda.Device(device):
                self.run(plans, key, arguments, make, variants)
            return
        full = (key, device, *[_kind(value) for value in arguments.values()])
        prepared = plans.get(full)
        if prepared is None:
            launch = make()
            if variants is not None and config.autotune:
                launch = self._fastest([launch, *variants(self._shared_memory(device))], arguments, device)
            prepared = self._prepare(launch, device)
            if len(plans) >= PREPARED:
                plans.clear()
            plans[full] = prepared
        self._launch(prepared, arguments)

    def _launch(self, prepared: Prepared, arguments: Mapping[str, Any]) -> None:
        try:
            prepared(arguments)
        except self._errors as error:
            if not self._out_of_memory(error):
                raise KernelError(f"{prepared.described} is refused, or work before it failed: {error}") from error
        else:
            return
        self._after_freeing(lambda: prepared(arguments), lambda: f"launching {prepared.described}")

    def with_memory(self, attempt: Callable[[], T], what: Callable[[], str]) -> T:
        """Return what ``attempt`` returns; where memory runs out, free CuPy's pools and try once more.

        Raises:
            MemoryError: It was not enough; the message has ``what`` was wanted, and who holds how much.
        """
        try:
            return attempt()
        except self._errors as error:
            if not self._out_of_memory(error):
                raise
        return self._after_freeing(attempt, what)

    def _after_freeing(self, attempt: Callable[[], T], what: Callable[[], str]) -> T:
        self._cupy.get_default_memory_pool().free_all_blocks()
        self._cupy.get_default_pinned_memory_pool().free_all_blocks()
        try:
            return attempt()
        except self._errors as error:
            if not self._out_of_memory(error):
                raise
            free, total = self._cupy.cuda.runtime.memGetInfo()
            used = self._cupy.get_default_memory_pool().used_bytes()
            raise MemoryError(
                f"{what()}: out of memory, also after CuPy's pools were freed. The device has {_size(total)}, of which "
                f"{_size(free)} are free; CuPy's arrays hold {_size(used)}, and the rest is held elsewhere, "
                "other processes included"
            ) from error

    def _fastest(self, launches: Sequence[Launch], arguments: Mapping[str, Any], device: int) -> Launch:
        """Return the fastest launch, timed on the arguments of this call: it is run, and its results are right."""

        def load(launch: Launch) -> Candidate:
            prepared = self._prepare(launch, device)
            attribute, pointer = self._cupy.cuda.driver.funcGetAttribute, prepared.function.ptr
            taken = Taken(attribute(_NUM_REGS, pointer), attribute(_LOCAL_SIZE_BYTES, pointer))
            return Candidate(taken, lambda: self._launch(prepared, arguments))

        first = launches[0]
        key = {
            "device": self._cupy.cuda.runtime.getDeviceProperties(device)["name"].decode(),
            "versions": f"triton {version('triton')}, cupy {self._cupy.__version__}, kusari {version('kusari')}",
            "kernel": first.function.__name__,
            "problem": str(first.about),
            "arrays": str([_kind(value) for value in arguments.values()]),
        }
        return Tuner(Choices(cache_folder("triton") / "tuned"), self._timer).choose(key, launches, load)

    def _shared_memory(self, device: int) -> int:
        """Return the bytes that a block can have."""
        runtime = self._cupy.cuda.runtime
        return int(runtime.deviceGetAttribute(runtime.cudaDevAttrMaxSharedMemoryPerBlockOptin, device))

    def _prepare(self, launch: Launch, device: int) -> Prepared:
        specialization = specialize(launch)
        key = (
            device,
            launch.function,
            launch.num_warps,
            launch.num_stages,
            *(tuple(told.items()) for told in (specialization.signature, specialization.constants)),
            tuple(specialization.attributes),
        )
        with self._loading:
            found = self._loaded.get(key)
            if found is None:
                found = self._loaded[key] = self._compile_and_load(launch, device)
        return Prepared(found[0], launch, found[1])

    def _compile_and_load(self, launch: Launch, device: int) -> tuple[Any, Compiled]:
        compiled = compile_launch(launch, int(self._cupy.cuda.Device(device).compute_capability))
        limit = self._shared_memory(device)
        if compiled.shared > limit:
            raise KernelError(f"{launch} takes {compiled.shared} bytes of shared memory, device {device} has {limit}")
        try:
            function = self.with_memory(lambda: self._load(compiled), lambda: f"loading {launch}")
        except MemoryError:
            raise
        except self._errors as error:
            raise KernelError(f"{launch} does not load on device {device}: {error}") from error
        return function, compiled

    def _load(self, compiled: Compiled) -> Any:
        module = self._cupy.cuda.Module()
        module.load(compiled.cubin)
        function = module.get_function(compiled.name)  # keeps the module
        if compiled.shared > _WITHOUT_ASKING:
            self._cupy.cuda.driver.funcSetAttribute(function.ptr, _MAX_DYNAMIC_SHARED, compiled.shared)
        return function

    def _out_of_memory(self, error: Exception) -> bool:
        return isinstance(error, MemoryError) or getattr(error, "status", None) == _OUT_OF_MEMORY


def _kind(value: Any) -> Any:
    """Return what a launch depends on of an argument that varies."""
    if isinstance(value, float | None):
        return type(value)
    return value.strides, value.data.ptr % ALIGNMENT == 0


def _size(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"
