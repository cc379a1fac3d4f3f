"""The table of what compiled kernels take: a row for each kernel, way of cutting it, and chip."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kusari_triton.launch import Launch
from kusari_triton.tuner import configuration

if TYPE_CHECKING:
    from kusari_triton.compile_check import Result

_HEAD = """# What the Triton kernels take

Compiled by Triton {triton} with the assembler in its wheel, on {machine}, without a GPU; written by
`python -m kusari_triton.compile_check --table FILE`. A row covers all dtypes, problems and memory formats for which
the check compiles a kernel in one way of cutting it; numbers that differ among them are ranges. Registers and bytes of
stack (more than 0 would be a spill) are a thread's, bytes of shared memory a block's. Instructions are occurrences in
the machine code; those that occur nowhere are left out.

| kernel | blocks | warps | stages | chip | compilations | registers | stack | shared | instructions |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def resource_table(launches: Mapping[str, Launch], results: Sequence[Result]) -> str:
    """Return the table in Markdown.

    Args:
        launches: What was compiled, by the case's name.
        results: What came of it.
    """
    rows: dict[tuple[str, str, int, int, int], list[Result]] = {}
    for result in results:
        launch = launches[result.case]
        blocks = [str(size) for name, size in configuration(launch).items() if name.startswith("BLOCK")]
        row = (_kernel(launch), " · ".join(blocks) or "–", launch.num_warps, launch.num_stages, result.capability)
        rows.setdefault(row, []).append(result)
    lines = [_row(*row, rows[row]) for row in sorted(rows, key=lambda row: (row[0], row[4], len(row[1]), row))]
    return _HEAD.format(triton=importlib.metadata.version("triton"), machine=platform.machine()) + "".join(lines)


def _kernel(launch: Launch) -> str:
    """Return the kernel's name; those that are generated from expressions are one."""
    function = launch.function
    module = function.fn.__module__
    if module.startswith("kusari_triton.kernels."):
        return f"`{function.__name__}`"
    return "elementwise, generated"


def _row(kernel: str, blocks: str, warps: int, stages: int, capability: int, results: Sequence[Result]) -> str:
    taken = [result.resources for result in results]
    counts = {name: [resources.instructions[name] for resources in taken] for name in taken[0].instructions}
    instructions = ", ".join(f"{name} {_range(found)}" for name, found in counts.items() if any(found))
    numbers = (_range([getattr(resources, name) for resources in taken]) for name in ("registers", "stack", "shared"))
    cells = (kernel, blocks, warps, stages, f"sm_{capability}", len(taken), *numbers, instructions)
    return f"| {' | '.join(str(cell) for cell in cells)} |\n"


def _range(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return str(least) if least == most else f"{least}–{most}"
