"""Softmax, its logarithm and their gradients, each in one pass over memory."""

from __future__ import annotations

import functools
import math
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from kusari.backend import Backend
from kusari.kernels import softmax as definitions
from kusari.types import Array
from kusari_cupy.layout import memory_order
from kusari_cupy.syntax import CUDA, HEADERS

if TYPE_CHECKING:
    from kusari_cupy.backend import CupyBackend

THREADS: Final = 128
"""Of a block."""
WARP: Final = 32

# A row's classes lie `inner` apart. LANES threads share a row: a warp where it is contiguous, so that neighbours read
# neighbours; one thread where rows lie side by side, for the same reason. What LANES threads hold ends up in all.
FRAME: Final = """\
{headers}
typedef {type} T;
typedef {sum} A;
#define LANES {lanes}

__device__ A larger(A a, A b) {{ return a >= b || a != a ? a : b; }}  // a NaN stays

__device__ A largest(A a) {{
  for (int step = LANES / 2; step > 0; step /= 2) a = larger(a, __shfl_xor_sync(0xffffffffu, a, step));
  return a;
}}

__device__ A total(A a) {{
  for (int step = LANES / 2; step > 0; step /= 2) a += __shfl_xor_sync(0xffffffffu, a, step);
  return a;
}}

extern "C" __global__ void kernel({operands}, T* out, const long long rows, const long long classes,
                                  const long long inner) {{
  const long long row = (blockIdx.x * (long long)blockDim.x + threadIdx.x) / LANES;
  if (row >= rows) return;  // all lanes of a row together, and blocks are whole warps
  const long long start = row / inner * classes * inner + row % inner;
  const long long first = start + threadIdx.x % LANES * inner;
  const long long end = start + classes * inner, step = LANES * inner;
  {body}
}}
"""
_FORWARD: Final = """\
A high = -__longlong_as_double(0x7ff0000000000000LL), sum = 0;
  for (long long i = first; i < end; i += step) high = larger(high, (A)x[i]);
  high = largest(high);
  for (long long i = first; i < end; i += step) sum += exp((A)x[i] - high);
  sum = total(sum);
  """
BODIES: Final = {
    "softmax": _FORWARD + "for (long long i = first; i < end; i += step) out[i] = (T)(exp((A)x[i] - high) / sum);",
    "log_softmax": _FORWARD
    + "const A log_sum = log(sum);\n"
    + "  for (long long i = first; i < end; i += step) out[i] = (T)((A)x[i] - high - log_sum);",
    "softmax_grad": """\
A sum = 0;
  for (long long i = first; i < end; i += step) sum += (A)gy[i] * (A)y[i];
  sum = total(sum);
  for (long long i = first; i < end; i += step) out[i] = (T)((A)y[i] * ((A)gy[i] - sum));""",
    "log_softmax_grad": """\
A sum = 0;
  for (long long i = first; i < end; i += step) sum += (A)gy[i];
  sum = total(sum);
  for (long long i = first; i < end; i += step) out[i] = (T)((A)gy[i] - exp((A)y[i]) * sum);""",
}


def source(name: str, dtype: Any, lanes: int) -> str:
    """Write one of the kernels for a dtype of the host's and a number of threads a row."""
    operands = "const T* y, const T* gy" if name.endswith("_grad") else "const T* x"
    header = HEADERS.get(dtype.name)
    return FRAME.format(
        headers=f"#include <{header}>" if header else "",
        type=CUDA.type_name(dtype),
        sum="double" if dtype.itemsize == 8 else "float",
        lanes=lanes,
        operands=operands,
        body=BODIES[name],
    )


@functools.cache
def _kernel(cupy: ModuleType, name: str, dtype: Any, lanes: int) -> Any:
    return cupy.RawKernel(source(name, dtype, lanes), "kernel")


def _run(backend: Backend, name: str, axis: int, *arrays: Array) -> Array:
    """Launch a kernel over arrays of one shape and dtype; the result has the first one's memory format."""
    cupy: Any = next(link.cupy for link in backend.chain if hasattr(link, "cupy"))
    first: Any = arrays[0]
    order = memory_order(first.strides)
    there = order.index(axis % first.ndim)
    laid_out = [cupy.ascontiguousarray(array.transpose(order)) for array in arrays]  # type: ignore[attr-defined]
    shape = laid_out[0].shape
    result = cupy.empty(shape, first.dtype)
    if result.size:
        inner, classes = math.prod(shape[there + 1 :]), shape[there]
        rows, lanes = result.size // classes, WARP if inner == 1 else 1
        kernel = _kernel(cupy, name, backend.host_dtype(first.dtype), lanes)
        kernel((-(-rows * lanes // THREADS),), (THREADS,), (*laid_out, result, rows, classes, inner))
    inverse = sorted(range(len(order)), key=order.__getitem__)
    return result.transpose(inverse)


def softmax(backend: Backend, x: Array, axis: int) -> Array:
    """eˣ / Σ eˣ along ``axis``."""
    return _run(backend, "softmax", axis, x)


def log_softmax(backend: Backend, x: Array, axis: int) -> Array:
    """x − log Σ eˣ along ``axis``."""
    return _run(backend, "log_softmax", axis, x)


def softmax_grad(backend: Backend, y: Array, gy: Array, axis: int) -> Array:
    """y (gy − Σ gy y) along ``axis``."""
    return _run(backend, "softmax_grad", axis, y, gy)


def log_softmax_grad(backend: Backend, y: Array, gy: Array, axis: int) -> Array:
    """gy − eʸ Σ gy along ``axis``."""
    return _run(backend, "log_softmax_grad", axis, y, gy)


def register(backend: CupyBackend) -> None:
    """Override core's kernels."""
    backend.implements(definitions.softmax)(softmax)
    backend.implements(definitions.log_softmax)(log_softmax)
    backend.implements(definitions.softmax_grad)(softmax_grad)
    backend.implements(definitions.log_softmax_grad)(log_softmax_grad)
