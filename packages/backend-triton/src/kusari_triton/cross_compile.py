"""Compile a launch for a GPU that is not there, and read off what the kernel takes of it."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from kusari_triton.compiled import compile_launch
from kusari_triton.launch import Launch

SHARED_MEMORY: Final[Mapping[int, int]] = {80: 166_912, 90: 232_448}
"""Bytes of shared memory that one block may take, by compute capability × 10 (CUDA programming guide, table of
technical specifications: 163 KiB and 227 KiB)."""

TENSOR_CORE: Final[Mapping[int, str]] = {80: "HMMA", 90: "HGMMA"}
"""The machine instruction that a matrix product should become."""

_INSTRUCTIONS: Final = ("HGMMA", "HMMA", "FFMA", "LDGSTS", "STL", "LDL")


class Case(NamedTuple):
    """One configuration to compile."""

    name: str
    launch: Launch
    tensor_cores: bool = False
    """Whether the product must run on them."""


class Resources(NamedTuple):
    """What a compiled kernel takes."""

    registers: int
    """Per thread; 255 at most."""
    stack: int
    """Bytes per thread. More than 0: registers did not suffice, or an array lives in local memory."""
    shared: int
    """Bytes per block, as the launcher asks for."""
    instructions: Mapping[str, int]
    """Occurrences in the machine code: of tensor-core products, FMAs, asynchronous copies, and spills (STL, LDL)."""

    def complaints(self, capability: int, *, tensor_cores: bool) -> list[str]:
        """Say what is wrong with these numbers on a chip; nothing: an empty list."""
        found = []
        spills = self.instructions["STL"] + self.instructions["LDL"]
        if self.stack or spills:
            found.append(
                f"spills: {self.stack} bytes of stack, {spills} STL/LDL at {self.registers} registers; "
                "take smaller blocks or more warps"
            )
        if self.shared > SHARED_MEMORY[capability]:
            found.append(
                f"takes {self.shared} bytes of shared memory, sm_{capability} has {SHARED_MEMORY[capability]}; "
                "take smaller blocks or fewer stages"
            )
        if tensor_cores and not self.instructions[TENSOR_CORE[capability]]:
            found.append(f"no {TENSOR_CORE[capability]}: the product does not run on tensor cores")
        return found


def cross_compile(launch: Launch, capability: int) -> Resources:
    """Compile for a compute capability with the assembler inside Triton's wheel.

    Args:
        launch: Its arrays may be `Pointer`.
        capability: 80 for sm_80 (A100), 90 for sm_90 (H100, H200).

    Raises:
        RuntimeError: The process interprets kernels, so that there is nothing to compile.
        KernelError: It does not compile, or its arguments are not those that a launch passes.
    """
    compiled = compile_launch(launch, capability)
    return _resources(compiled.cubin, compiled.shared)


def _resources(cubin: bytes, shared: int) -> Resources:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        usage, machine_code = (_disassemble(flag, file) for flag in ("-res-usage", "-sass"))
    taken = {name: int(number) for name, number in re.findall(r"\b(REG|STACK):(\d+)", usage)}
    counts = {name: len(re.findall(rf"\b{name}\b", machine_code)) for name in _INSTRUCTIONS}
    return Resources(taken["REG"], taken["STACK"], shared, counts)


def _disassemble(flag: str, file: Path) -> str:
    done = subprocess.run([_disassembler(), flag, str(file)], capture_output=True, text=True, check=True)
    return done.stdout


@functools.cache
def _disassembler() -> str:
    """Return the path of ``cuobjdump`` in Triton's wheel."""
    import triton

    suffix = ".exe" if sys.platform == "win32" else ""
    path = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / f"cuobjdump{suffix}"
    if not path.exists():
        raise FileNotFoundError(f"{path}: Triton's wheel {triton.__version__} has no cuobjdump; expected 3.6 to 3.9")
    return str(path)
