"""Scattering by sorted runs in one pass: the same sum in the same order every time, without atomic additions."""

from __future__ import annotations

import functools
import math
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from kusari.backend import Backend
from kusari.kernels import scatter
from kusari.types import Array

if TYPE_CHECKING:
    from kusari_cupy.backend import CupyBackend

# A thread for each number of the result adds up its run, one after another; threads side by side read side by side.
RUN_SUM: Final = """
const long long place = i / columns, column = i % columns;
const long long end = start[place + 1];
SUM sum = 0;
for (long long k = start[place]; k < end; ++k) sum += (SUM)rows[order[k] * columns + column];
y = (T)sum;
"""
IN: Final = "raw T rows, raw int64 order, raw int64 start, int64 columns"


def sum_type(name: str) -> str:
    """Return what numbers of a dtype are added up in: float32's in double, so that long runs lose nothing."""
    if name in ("float16", "bfloat16"):
        return "float"
    return "double" if name.startswith("float") else "long long"


def scatter_sum(backend: Backend, values: Array, index: Array, axis: int, length: int) -> Array:
    """y[…, m, …] = Σ values[…, k, …] over all k with index[k] = m, along ``axis``; 0 where there is none."""
    xp: Any = backend.xp
    rows = xp.moveaxis(values, axis, 0)
    result = xp.empty((length, *rows.shape[1:]), dtype=rows.dtype)
    if result.size:
        columns = math.prod(rows.shape[1:])
        index = xp.astype(index, xp.int64, copy=False)
        order = xp.argsort(index, stable=True)
        start = xp.searchsorted(xp.take(index, order), xp.arange(length + 1, dtype=xp.int64))
        kernel = _kernel(_module(backend), sum_type(backend.host_dtype(rows.dtype).name))
        kernel(xp.reshape(rows, (-1,)), xp.astype(order, xp.int64), xp.astype(start, xp.int64), columns, result)
    return xp.moveaxis(result, 0, axis)


@functools.cache
def _kernel(cupy: ModuleType, kind: str) -> Any:
    return cupy.ElementwiseKernel(
        IN, "T y", RUN_SUM.replace("SUM", kind), f"kusari_scatter_sum_{kind.replace(' ', '_')}", no_return=True
    )


def _module(backend: Backend) -> ModuleType:
    """Return CuPy itself: the calling backend may be another one, built on CuPy's."""
    found: ModuleType = next(link.cupy for link in backend.chain if hasattr(link, "cupy"))
    return found


def register(backend: CupyBackend) -> None:
    """Override core's kernel."""
    backend.implements(scatter.scatter_sum)(scatter_sum)
