"""Compile a launch, and check what its machine code takes against what will be handed over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from kusari_triton.errors import KernelError
from kusari_triton.interpreter import INTERPRET, requested
from kusari_triton.launch import Launch, Specialization, specialize

PACKERS: Final[Mapping[str, type[Any]]] = {
    "i32": np.int32,
    "i64": np.int64,
    "fp32": np.float32,
    "fp64": np.float64,
}
"""Triton's names of scalar arguments, and the NumPy scalar that has their bytes."""

_POINTER: Final = 8
_PARAMETER: Final = re.compile(r"\.param\s+(?:\.align\s+\d+\s+)?\.[a-z]+(\d+)(\s+\.ptr)?")


class Slot(NamedTuple):
    """One argument that the machine code takes."""

    name: str
    type: str
    """Triton's name; pointers start with ``*``."""

    @property
    def pointer(self) -> bool:
        """Whether it is the address of an array."""
        return self.type.startswith("*")

    @property
    def size(self) -> int:
        """Bytes."""
        return _POINTER if self.pointer else int(np.dtype(PACKERS[self.type]).itemsize)


class Compiled(NamedTuple):
    """Machine code, and what is needed to launch it."""

    name: str
    """Of the entry."""
    cubin: bytes
    shared: int
    """Bytes of shared memory that a block takes."""
    slots: tuple[Slot, ...]
    """The arguments in order."""
    hidden: int
    """How many addresses of scratch memory follow; nothing is kept there, so that they may be null."""


def compile_launch(launch: Launch, capability: int) -> Compiled:
    """Compile a launch for a GPU, there or not, with the assembler in Triton's wheel.

    Triton keeps what it compiled in a cache on disk: 0.3 to 2.5 s the first time, 1.5 ms after that.

    Args:
        launch: Its arrays may be `Pointer`.
        capability: 80 for sm_80 (A100), 90 for sm_90 (H100, H200).

    Raises:
        RuntimeError: The process interprets kernels, so that there is nothing to compile.
        KernelError: Triton or its assembler refuses the kernel, or it cannot be launched by address and size alone.
    """
    if requested():
        raise RuntimeError(f"{INTERPRET} is set, and one process cannot both interpret and compile; start one without")
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    specialization = specialize(launch)
    source = ASTSource(
        launch.function,
        signature=specialization.signature,
        constexprs=specialization.constants,
        attrs=specialization.attributes,
    )
    # Said explicitly: Triton 3.10 changes the default, and with it the numbers.
    options = {"num_warps": launch.num_warps, "num_stages": launch.num_stages, "enable_fp_fusion": True}
    try:
        compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
        return _launchable(compiled, specialization)
    except Exception as error:  # Triton's front end, LLVM and ptxas each raise classes of their own
        raise KernelError(f"{launch} does not compile for sm_{capability}: {error}") from error


def parameter_sizes(ptx: str) -> list[tuple[int, bool]]:
    """Return, for each parameter of the entry, its bytes and whether PTX calls it a pointer.

    >>> parameter_sizes(".entry f(.param .u64 .ptr .global .align 1 f_0, .param .u32 f_1) {}")
    [(8, True), (4, False)]
    """
    start = ptx.index(".entry")
    head = ptx[start : ptx.index(")", start)]
    return [(int(bits) // 8, bool(pointer)) for bits, pointer in _PARAMETER.findall(head)]


def _launchable(compiled: Any, specialization: Specialization) -> Compiled:
    metadata = compiled.metadata
    slots = tuple(Slot(name, type_) for name, type_ in specialization.signature.items() if type_ != "constexpr")
    found = parameter_sizes(compiled.asm["ptx"])
    expected = [(slot.size, slot.pointer) for slot in slots]
    hidden = found[len(slots) :]
    if found[: len(slots)] != expected or any(size != _POINTER for size, _ in hidden):
        raise KernelError(f"its machine code takes {found}, bytes and pointers; the launcher would pass {expected}")
    wanted = {
        "clusters": metadata.num_ctas != 1,
        "a cooperative grid": metadata.launch_cooperative_grid,
        "programmatic dependent launch": getattr(metadata, "launch_pdl", False),
        "tensor descriptors": bool(metadata.tensordesc_meta),
        "scratch memory": metadata.global_scratch_size or getattr(metadata, "profile_scratch_size", 0),
    }
    if any(wanted.values()):
        raise KernelError(f"it wants {', '.join(name for name, yes in wanted.items() if yes)}, which is not launched")
    return Compiled(metadata.name, compiled.asm["cubin"], metadata.shared, slots, len(hidden))
