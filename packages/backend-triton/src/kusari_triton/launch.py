"""One launch, as a value; what runs it; what the compiler specializes it for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np

from kusari.types import Shape
from kusari_triton import interpreter

ELEMENT_TYPES: Final[Mapping[str, str]] = {
    "float16": "fp16",
    "bfloat16": "bf16",
    "float32": "fp32",
    "float64": "fp64",
    "bool": "i1",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "u8",
    "uint16": "u16",
    "uint32": "u32",
    "uint64": "u64",
}
"""The dtypes that a kernel can point at, by NumPy's name, and Triton's names for them."""

ALIGNMENT: Final = 16
"""Bytes and counts that Triton compiles wide loads for: what is a multiple of 16 is told so."""

_INT32: Final = range(-(2**31), 2**31)
_interpreting: Final = threading.Lock()  # the interpreter keeps the running program's place in a global


class Pointer(NamedTuple):
    """Stand for an array where only its type and alignment matter: in a compilation without arrays."""

    dtype: str
    """NumPy's name for the element type."""
    strides: Shape = ()
    """In elements."""
    aligned: bool = True
    """Whether the address is a multiple of 16 bytes; what allocators give always is, a slice's may not be."""


Strided: TypeAlias = Any
"""An array that `element_strides` can read, or a `Pointer`."""


class Launch(NamedTuple):
    """A kernel, its grid and its arguments: what is compiled, and what is run."""

    function: Any
    """A function under ``@triton.jit``."""
    grid: tuple[int, int, int]
    arguments: Mapping[str, Any]
    """By parameter name: arrays (or `Pointer`), int, float (passed as float32), `numpy.float64`, and constants."""
    num_warps: int
    num_stages: int
    about: Any = None
    """What it computes, for messages: a Problem, or dtypes and shapes."""

    def __str__(self) -> str:
        name = getattr(self.function, "__name__", "a kernel")
        constants = [parameter.name for parameter in self.function.params if parameter.is_constexpr]
        configuration = ", ".join(f"{constant}={self.arguments[constant]}" for constant in constants)
        about = "" if self.about is None else f" for {self.about}"
        return (
            f"kernel {name}{about} ({configuration}, grid {self.grid}, "
            f"{self.num_warps} warps, {self.num_stages} stages)"
        )


Variants: TypeAlias = Callable[[int], Sequence[Launch]]
"""Launches that compute the same; called with the bytes of shared memory that a block can have."""


class Launcher(Protocol):
    """What runs launches."""

    @property
    def interpreted(self) -> bool:
        """Whether tiles should be few and large, as the interpreter wants them."""

    def run(
        self,
        plans: dict[Any, Any],
        key: Hashable,
        arguments: Mapping[str, Any],
        make: Callable[[], Launch],
        variants: Variants | None = None,
    ) -> None:
        """Run ``make()``, or what an earlier one made ready.

        Args:
            plans: The caller's; the launcher keeps what it made ready there.
            key: With it, and the arrays' strides and alignment, all else of the launch is the same.
            arguments: Those of the launch that vary from call to call: arrays and floating-point numbers.
            make: Describes the launch.
            variants: Describes others that compute the same, for `config.autotune` to choose among.
        """


class Specialization(NamedTuple):
    """What `triton.compile` is told of the arguments."""

    signature: dict[str, str]
    constants: dict[str, Any]
    attributes: dict[tuple[int, ...], list[list[Any]]]


class Interpreter:
    """Run launches on NumPy arrays, program after program."""

    interpreted: Final = True

    def run(
        self,
        plans: dict[Any, Any],
        key: Hashable,
        arguments: Mapping[str, Any],
        make: Callable[[], Launch],
        variants: Variants | None = None,
    ) -> None:
        """Run ``make()``; nothing is kept or timed."""
        interpret(make())


def interpret(launch: Launch) -> None:
    """Run a launch on NumPy arrays, program after program.

    Costs about 2.5 ms a launch and 1.2 ms a program, nearly whatever the tile: take few, big tiles.
    """
    interpreter.repair()
    arguments = {
        name: interpreter.HostPointer(value) if isinstance(value, np.ndarray) else value
        for name, value in launch.arguments.items()
    }
    # Lanes outside an array compute too (0/0, exp of anything) and are then masked; a GPU says nothing of it.
    with _interpreting, np.errstate(all="ignore"):
        launch.function[launch.grid](**arguments)


def specialize(launch: Launch) -> Specialization:
    """Describe a launch's arguments to the compiler, by the rules of Triton's own launcher.

    Integers become constants where they are 1 (unit strides: contiguous loads), are told to be divisible by 16 where
    they are, and take 64 bits only where they must.
    """
    signature: dict[str, str] = {}
    constants: dict[str, Any] = {}
    attributes: dict[tuple[int, ...], list[list[Any]]] = {}
    for place, parameter in enumerate(launch.function.params):
        name, value = parameter.name, launch.arguments[parameter.name]
        if parameter.is_constexpr or value is None or (type(value) is int and value == 1):
            signature[name], constants[name] = "constexpr", value
            continue
        signature[name] = _type_name(name, value)
        if _divisible(value):
            attributes[(place,)] = [["tt.divisibility", ALIGNMENT]]
    return Specialization(signature, constants, attributes)


def element_strides(array: Any) -> Shape | None:
    """Return an array's strides in elements.

    None where a kernel cannot address it: a stride is not whole elements (a field of a structure), or the bytes are
    in the other order.
    """
    if isinstance(array, Pointer):
        return array.strides
    size = array.itemsize
    if any(stride % size for stride in array.strides) or not array.dtype.isnative:
        return None
    return tuple(stride // size for stride in array.strides)


def address(array: Any) -> int:
    """Return where an array's first element lies, on the host or a GPU, whatever the strides."""
    return int(array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr)


def _is_array(value: Any) -> bool:
    return hasattr(value, "strides") and not isinstance(value, np.generic)


def _type_name(name: str, value: Any) -> str:
    if isinstance(value, Pointer):
        return f"*{ELEMENT_TYPES[value.dtype]}"
    if _is_array(value):
        return f"*{ELEMENT_TYPES[value.dtype.name]}"
    if isinstance(value, bool):
        raise TypeError(f"argument {name!r} is a bool: declare it tl.constexpr")
    if isinstance(value, int):
        return "i32" if value in _INT32 else "i64"
    if isinstance(value, np.float64):
        return "fp64"
    if isinstance(value, float):
        return "fp32"
    raise TypeError(f"argument {name!r} is {type(value).__name__}: expected an array, Pointer, int or float")


def _divisible(value: Any) -> bool:
    if isinstance(value, Pointer):
        return value.aligned
    if _is_array(value):
        return address(value) % ALIGNMENT == 0
    return isinstance(value, int) and value % ALIGNMENT == 0
