"""Elementwise kernels: an expression as one fused Triton kernel."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import triton
import triton.language as tl

from kusari.backend import Backend
from kusari.backend.expression import (
    Expression,
    NotElementwise,
    evaluate,
    infer_dtypes,
    prologue_function,
    scalar_dtypes,
)
from kusari_triton import generated
from kusari_triton.launch import Launch, Launcher, element_strides
from kusari_triton.layout import Layout, allocate, lay_out
from kusari_triton.syntax import TRITON, operand_names, render, render_rows, scalar_names

BLOCK: Final = 1024
"""Elements a program, on a GPU: 8 a thread with 4 warps."""

INTERPRETED_BLOCK: Final = 2**17
"""Elements a program, interpreted: a program costs 1.2 ms whatever it computes."""

_log = logging.getLogger(__name__)


class Typed:
    """An expression with its dtypes fixed, and the kernels made of it.

    Raises:
        NotElementwise: Triton lacks a dtype or an operation.
    """

    def __init__(self, expression: Expression, dtypes: Sequence[Any]) -> None:
        self.expression = expression
        self.operands = tuple(dtypes)
        self.dtypes = infer_dtypes(expression, dtypes)
        self.outputs = self.dtypes.outputs(expression)
        self.scalars = tuple(zip(scalar_names(expression), scalar_dtypes(expression, self.dtypes, TRITON), strict=True))
        self.launches: dict[Any, Any] = {}
        self._kernels = {1: self._load(render(expression, self.dtypes, 1))}

    @property
    def described(self) -> str:
        """The operands' dtypes, for messages."""
        return ", ".join(dtype.name for dtype in self.operands)

    @property
    def block(self) -> int:
        """Elements a program, on a GPU. A number of 8 bytes takes two registers, of which a thread has 255."""
        return BLOCK // 2 if any(dtype.itemsize == 8 for dtype in self.outputs) else BLOCK

    def kernel(self, axes: int) -> Any:
        """Return the kernel for one set of arrays, over so many axes of running index."""
        found = self._kernels.get(axes)
        if found is None:
            found = self._kernels[axes] = self._load(render(self.expression, self.dtypes, axes))
        return found

    @functools.cached_property
    def rows_kernel(self) -> Any:
        """The kernel for many rows of dense arrays."""
        return self._load(render_rows(self.expression, self.dtypes))

    def _load(self, source: str) -> Any:
        return generated.load(self.expression.name, source).kernel


class Placed(NamedTuple):
    """A result: where it is written, and which of the layout's walks leads over it."""

    array: Any
    walk: int


class FusedExpression:
    """One elementwise kernel, compiled per dtypes and number of axes.

    Called as core wraps it: ``fused(backend, *arrays, *scalars)``. Operands may broadcast and have any strides; new
    results are dense in the memory order of the first whole operand; donated operands are written in place.

    What Triton cannot write (``pow``, say) runs operation by operation; the log of this module says why.
    """

    def __init__(self, expression: Expression, launcher: Launcher) -> None:
        self.expression = expression
        self.launcher = launcher
        self.scalars = prologue_function(expression)
        self._typed: dict[tuple[np.dtype[Any], ...], Typed | None] = {}

    def __call__(self, backend: Backend, *operands: Any) -> Any:
        count = len(self.expression.arrays)
        arrays: list[Any] = [
            a if isinstance(a, backend.array_types) else backend.as_array(a, a) for a in operands[:count]
        ]
        typed = self.typed(tuple(backend.host_dtype(array.dtype) for array in arrays))
        layout = common_layout(arrays)
        if typed is None or layout is None:
            return evaluate(self.expression, backend.xp, arrays, operands[count:])
        results = self.place(backend, arrays, typed, layout)
        if layout.total:
            self._launch(typed, layout, arrays, results, self.scalars(*operands[count:]))
        made = tuple(result.array for result in results)
        return made if self.expression.returns_tuple else made[0]

    def _launch(
        self, typed: Typed, layout: Layout, arrays: Sequence[Any], results: Sequence[Placed], scalars: Sequence[float]
    ) -> None:
        block = tile(layout.total, typed.block, interpreted=self.launcher.interpreted)
        self.launcher.run(
            typed.launches,
            (layout, tuple([result.walk for result in results])),
            varying_arguments(typed, arrays, results, scalars),
            lambda: fused_launch(typed, layout, arrays, results, scalars, block),
        )

    def typed(self, dtypes: tuple[np.dtype[Any], ...]) -> Typed | None:
        """Return the expression for arrays of these dtypes; None, and say why in the log, where Triton lacks it."""
        if dtypes not in self._typed:
            try:
                self._typed[dtypes] = Typed(self.expression, dtypes)
            except NotElementwise as error:
                self._typed[dtypes] = None
                _log.info("%s runs operation by operation: %s", self.expression.name, error)
        return self._typed[dtypes]

    def place(self, backend: Backend, arrays: Sequence[Any], typed: Typed, layout: Layout) -> list[Placed]:
        """Choose each result's memory: the donated operand's, if it is whole and of the result's dtype, or new."""
        placed = []
        for place, dtype in enumerate(typed.outputs):
            if place < len(self.expression.donated):
                walk = self.expression.arrays.index(self.expression.donated[place])
                donated = arrays[walk]
                if backend.host_dtype(donated.dtype) == dtype and _writable_whole(donated, layout, walk):
                    placed.append(Placed(donated, walk))
                    continue
            native = backend.native_dtype(dtype)
            placed.append(Placed(allocate(backend.xp, layout, native, arrays[0].device), len(arrays)))
        return placed


def fused_launch(
    typed: Typed, layout: Layout, arrays: Sequence[Any], results: Sequence[Placed], scalars: Sequence[float], block: int
) -> Launch:
    """Return the launch of one fused kernel; ``scalars`` are the prologue's results."""
    kernel = typed.kernel(len(layout.sizes))
    array_names, result_names = operand_names(typed.expression)
    arguments = varying_arguments(typed, arrays, results, scalars)
    arguments["total"] = layout.total
    arguments |= {f"n{axis}": size for axis, size in enumerate(layout.sizes)}
    walks = [layout.strides[walk] for walk in (*range(len(arrays)), *(result.walk for result in results))]
    for name, walk in zip((*array_names, *result_names), walks, strict=True):
        arguments |= {f"{name}_{axis}": stride for axis, stride in enumerate(walk)}
    arguments["INDEX"] = tl.int64 if layout.wide else tl.int32
    arguments["BLOCK"] = block
    grid = (triton.cdiv(layout.total, block), 1, 1)
    about = f"{typed.expression.name} {typed.described} {layout.shape}"
    return Launch(kernel, grid, arguments, num_warps=4, num_stages=1, about=about)


def varying_arguments(
    typed: Typed, arrays: Sequence[Any], results: Sequence[Placed], scalars: Sequence[float]
) -> dict[str, Any]:
    """Return the arguments that one layout does not fix: the operands, the results and the prologue's numbers."""
    array_names, result_names = operand_names(typed.expression)
    arguments = dict(zip(array_names, arrays, strict=True))
    arguments |= zip(result_names, [result.array for result in results], strict=True)
    for (name, dtype), value in zip(typed.scalars, scalars, strict=True):
        arguments[name] = np.float64(value) if dtype.itemsize == 8 else float(value)
    return arguments


def _writable_whole(array: Any, layout: Layout, walk: int) -> bool:
    """Tell whether each element of the result has one of the array's own to go to."""
    whole = tuple(array.shape) == layout.shape and (layout.total <= 1 or 0 not in layout.strides[walk])
    return whole and getattr(array.flags, "writeable", True)


def common_layout(arrays: Sequence[Any]) -> Layout | None:
    """Return how one index walks over the arrays; None where a kernel cannot address one of them."""
    strides = [element_strides(array) for array in arrays]
    known = tuple(walk for walk in strides if walk is not None)
    if len(known) < len(strides):
        return None
    return lay_out(tuple(tuple(array.shape) for array in arrays), known)


def tile(size: int, block: int, *, interpreted: bool) -> int:
    """Return how many of ``size`` elements a program takes: ``block`` on a GPU."""
    return min(int(triton.next_power_of_2(size)), INTERPRETED_BLOCK) if interpreted else block
