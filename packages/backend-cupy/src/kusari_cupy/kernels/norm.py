"""Batch normalization: statistics and gradients by partial results, one reading of memory each; ReLU on the way."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.norm import Normalization, NormalizationProblem
from kusari.types import Array, Shape
from kusari_cupy.layout import memory_order
from kusari_cupy.syntax import CUDA, HEADERS

if TYPE_CHECKING:
    from kusari_cupy.backend import CupyBackend

THREADS: Final = 128
"""Of a block."""
WARP: Final = 32
MOST: Final = 2**18
"""Threads over which sums are spread: what a chip of 132 processors holds at once."""
SHARE: Final = 64
"""The least numbers that a thread adds up, where that many are a channel's: partial results must be few."""
STREAMED: Final = 16
"""The least numbers that a thread computes from a channel's scale and shift, which it finds once."""
MERGED: Final = 64
"""Partial results that a thread makes one of."""

# Arrays are dense (before, channels, behind), cut into a channel's shares (rows, lanes): a thread walks over the
# numbers (row + j·rows, c, lane + k·lanes), so that in each step neighbours touch neighbours. What it makes of them it
# writes to (rows, channels, lanes), which is walked again, until (1, channels, 1) is left.
FRAME: Final = """\
{headers}
typedef {x} T;
typedef {parameter} A;
typedef {y} G;
#define EACH _Pragma("unroll 4") for (long long k = 0, at = start, column = 0; k < count; \\
                                      ++k, at += ++column < columns ? lanes : (column = 0, jump))

__device__ A rectified(A z) {{ return {rectifies} && z < 0 ? 0 : z; }}  // a NaN passes
__device__ A rectified_gradient(A y, A g) {{ return {rectifies} && !(y > 0) ? 0 : g; }}
// Within 2 ulp, without a branch for the largest numbers: behind one the next four numbers would not be on their way.
__device__ float ratio(float a, float b) {{ return __fdividef(a, b); }}
__device__ double ratio(double a, double b) {{ return a / b; }}

extern "C" __global__ void kernel({operands}, const long long before, const long long channels,
                                  const long long behind, const long long rows, const long long lanes) {{
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x, threads = rows * channels * lanes;
  if (i >= threads) return;
  const long long lane = i % lanes, c = i / lanes % channels, row = i / lanes / channels;
  const long long columns = (behind - lane + lanes - 1) / lanes;
  const long long count = columns * ((before - row + rows - 1) / rows);
  const long long jump = rows * channels * behind - (columns - 1) * lanes;
  const long long start = (row * channels + c) * behind + lane;
  {body}
}}
"""
_X: Final = "const T* __restrict__ x"
_OUT: Final = "A* __restrict__ out"
_PARTIAL: Final = "const A* __restrict__ partial"
_READ: Final = f"{_X}, const T* __restrict__ y, const G* __restrict__ gy"
_GIVEN: Final = "const A* __restrict__ mean, const A* __restrict__ var, const double eps"
OPERANDS: Final = {
    "moments": f"{_X}, {_OUT}",
    "merge_moments": f"{_PARTIAL}, {_OUT}",
    "normalize": f"{_X}, const A* __restrict__ gamma, const A* __restrict__ beta, {_GIVEN}, G* __restrict__ y",
    "sums": f"{_READ}, {_GIVEN}, {_OUT}",
    "merge_sums": f"{_PARTIAL}, {_OUT}",
    "gradient": f"{_READ}, const A* gamma, const A* gbeta, const A* ggamma, {_GIVEN}, T* __restrict__ gx",
}
BODIES: Final = {
    # Youngs, Cramer, 1971, around the first number: E[x²] − E[x]² loses all digits of float32 where the mean is 3000
    # deviations away from 0. An infinity stays the mean, and makes the variance NaN.
    "moments": """\
const A first = (A)x[start], origin = first - first == 0 ? first : (A)0;
  A number = 0, sum = 0, square = 0;
  EACH {
    const A value = (A)x[at] - origin;
    number += 1;
    sum += value;
    const A apart = number * value - sum;
    square += ratio(apart * apart, number * (number > 1 ? number - 1 : 1));
  }
  out[i] = origin + sum / number;
  out[threads + i] = square / number;
  out[2 * threads + i] = number;""",
    # Chan, Golub, LeVeque, 1983: means, variances and counts of shares make up those of their union.
    "merge_moments": """\
const long long all = before * channels * behind;
  const A *mean = partial, *var = mean + all, *members = var + all;
  const A first = mean[start], origin = first - first == 0 ? first : (A)0;
  A number = 0, sum = 0, square = 0;
  EACH {
    number += members[at];
    sum += members[at] * (mean[at] - origin);
  }
  const A centre = origin + sum / number;
  EACH square += members[at] * (var[at] + (mean[at] - centre) * (mean[at] - centre));
  out[i] = centre;
  out[threads + i] = square / number;
  out[2 * threads + i] = number;""",
    "normalize": """\
const A centre = mean[c], scale = gamma[c] / sqrt(var[c] + (A)eps), shift = beta[c];
  EACH y[at] = (G)rectified(((A)x[at] - centre) * scale + shift);""",
    "sums": """\
const A centre = mean[c];
  A sum = 0, product = 0;
  EACH {
    const A g = rectified_gradient((A)y[at], (A)gy[at]);
    sum += g;
    product += g * ((A)x[at] - centre);
  }
  out[i] = sum;
  out[threads + i] = product / sqrt(var[c] + (A)eps);""",
    "merge_sums": """\
const A* products = partial + before * channels * behind;
  A sum = 0, product = 0;
  EACH {
    sum += partial[at];
    product += products[at];
  }
  out[i] = sum;
  out[threads + i] = product;""",
    "gradient": """\
const A inverse = 1 / sqrt(var[c] + (A)eps), scale = gamma[c] * inverse, share = scale / (A)(before * behind);
  const A centre = mean[c], slope = share * inverse * ggamma[c], shift = share * gbeta[c];
  EACH {
    const A g = rectified_gradient((A)y[at], (A)gy[at]);
    gx[at] = (T)(g * scale - ((A)x[at] - centre) * slope - shift);
  }""",
}
ABOUT_Y: Final = ("normalize", "sums", "gradient")
"""Those that y or gy and the activation make a difference to."""


class Layout(NamedTuple):
    """How an x lies in memory as (before, channels, behind)."""

    order: Shape
    """Its axes, the slowest first."""
    lengths: Shape
    """Of the three groups."""
    kept: Shape
    """The axes of means, as memory has them."""


@functools.lru_cache(maxsize=4096)
def lay_out(shape: Shape, kept: Shape, strides: Shape) -> Layout:
    """Follow an array's memory where the axes of means are together there, else put these last.

    >>> lay_out((8, 3, 5, 7), (1,), (420, 4, 84, 12))  # channels-last
    Layout(order=(0, 2, 3, 1), lengths=(280, 3, 1), kept=(1,))
    >>> lay_out((8, 3, 5, 7), (1, 3), (420, 140, 28, 4))
    Layout(order=(0, 2, 1, 3), lengths=(40, 21, 1), kept=(1, 3))
    """
    order = sorted(memory_order(strides), key=lambda axis: shape[axis] > 1)  # axes of length 1 are nowhere
    places = [place for place, axis in enumerate(order) if axis in kept and shape[axis] > 1]
    first, end = (places[0], places[-1] + 1) if places else (len(order), len(order))
    if end - first != len(places):
        order.sort(key=lambda axis: axis in kept)
        first, end = len(order) - len(kept), len(order)
    lengths = [shape[axis] for axis in order]
    groups = tuple(math.prod(group) for group in (lengths[:first], lengths[first:end], lengths[end:]))
    return Layout(tuple(order), groups, tuple([axis for axis in order if axis in kept]))


def share_out(lengths: Shape, least: int, most: int) -> tuple[int, int]:
    """Cut a channel's numbers into (rows, lanes) shares of ``least`` numbers or more, ``most`` for all channels.

    By the lengths alone, so that sums have one order on every chip. Lanes lie side by side in memory: a warp of them,
    or all there are where these are fewer; both are powers of two but then.
    """
    before, channels, behind = lengths
    shares = max(1, min(most // channels, before * behind // least))
    lanes = min(behind, WARP)
    rows = min(_power_of_two(before), _power_of_two(max(1, shares // lanes)))
    if behind > WARP:
        lanes = max(WARP, min(_power_of_two(behind), _power_of_two(max(1, shares // rows))))
    return rows, lanes


def _power_of_two(number: int) -> int:
    """Return the largest that is not above a positive number."""
    return 1 << (number.bit_length() - 1)


def stages(lengths: Shape) -> Iterator[tuple[int, int]]:
    """Yield the shares (rows, lanes) that a channel's partial results are of: fewer each time, at last one."""
    rows, lanes = share_out(lengths, SHARE, MOST)
    yield rows, lanes
    while rows * lanes > 1:
        if rows * lanes <= MERGED:
            rows, lanes = 1, 1
        elif rows > 1:
            rows = max(1, rows // MERGED)
        else:
            lanes = max(1, lanes // MERGED)
        yield rows, lanes


def source(name: str, x: Any, parameter: Any, y: Any, rectifies: bool) -> str:
    """Write one of the kernels for dtypes of the host's: x's, that of parameters and sums, and that of y or gy."""
    headers = dict.fromkeys(HEADERS[dtype.name] for dtype in (x, y) if dtype.name in HEADERS)
    return FRAME.format(
        headers="\n".join(f"#include <{header}>" for header in headers),
        x=CUDA.type_name(x),
        parameter=CUDA.type_name(parameter),
        y=CUDA.type_name(y),
        rectifies=int(rectifies),
        operands=OPERANDS[name],
        body=BODIES[name],
    )


@functools.lru_cache(maxsize=1024)
def _kernel(cupy: ModuleType, name: str, x: Any, parameter: Any, y: Any, rectifies: bool) -> Any:
    return cupy.RawKernel(source(name, x, parameter, y, rectifies), "kernel")


class CupyNormalization(Normalization):
    """Forward reads memory twice, for the statistics and for y; backward twice, for the two sums and for gx.

    Takes any strides, and copies what is not dense. An activation other than ReLU follows as an elementwise kernel.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: NormalizationProblem) -> None:
        super().__init__(backend, problem)
        self._cupy: Any = next(link.cupy for link in backend.chain if hasattr(link, "cupy"))
        self._rectifies = problem.activation == RELU
        self._activation = None if self._rectifies else problem.activation
        self._y_dtype = problem.dtype if self._activation is None else problem.parameter_dtype

    @classmethod
    def accepts(cls, problem: NormalizationProblem) -> bool | str:
        """Take statistics of some axes, with γ and β of the others."""
        if problem.dtype.name not in ("float16", "bfloat16", "float32", "float64"):
            return f"written for floating-point numbers, not {problem.dtype}"
        if problem.parameter_dtype.name not in ("float32", "float64"):
            return f"parameters of {problem.parameter_dtype}; sums are float32 or float64"
        if problem.parameter_axes is not None:
            return "one scale for each mean; layer and group normalization have others"
        if not problem.kept_axes:
            return "one mean of everything: there are no channels to share out"
        if 0 in problem.x:
            return "there is nothing to compute"
        return True

    def forward(self, x: Any, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
        layout = lay_out(x.shape, self.problem.kept_axes, x.strides)
        dense = self._dense(x, layout)
        mean, var = self._moments_of(dense, layout)
        parameters = [self._flat(parameter, layout) for parameter in (gamma, beta)]
        y = self._normalize(x, dense, layout, (*parameters, mean, var))
        return y, self._unflat(mean, layout), self._unflat(var, layout)

    def statistics(self, x: Any) -> tuple[Array, Array]:
        layout = lay_out(x.shape, self.problem.kept_axes, x.strides)
        mean, var = self._moments_of(self._dense(x, layout), layout)
        return self._unflat(mean, layout), self._unflat(var, layout)

    def fixed(self, x: Any, gamma: Array, beta: Array, mean: Array, var: Array) -> Array:
        layout = lay_out(x.shape, self.problem.kept_axes, x.strides)
        given = tuple([self._flat(parameter, layout) for parameter in (gamma, beta, mean, var)])
        return self._normalize(x, self._dense(x, layout), layout, given)

    def backward(
        self, x: Any, gamma: Array, mean: Array, var: Array, y: Array | None, gy: Array
    ) -> tuple[Array, Array, Array]:
        layout = lay_out(x.shape, self.problem.kept_axes, x.strides)
        if self._activation is not None:
            assert y is not None
            gy = self._activation.backpropagate(self.backend, self._widen(y), self._widen(gy))
        gy = self.backend.xp.astype(gy, self.backend.native_dtype(self._y_dtype), copy=False)
        dense = self._dense(x, layout)
        rectified = dense if y is None or not self._rectifies else self._dense(y, layout)
        read = dense, rectified, self._dense(gy, layout)
        scale, *given = [self._flat(parameter, layout) for parameter in (gamma, mean, var)]
        gbeta, ggamma = self._reduce("sums", 2, layout, *read, *given, float(self.problem.eps))
        gx = self._cupy.empty(dense.shape, x.dtype)
        self._stream("gradient", layout, *read, scale, gbeta, ggamma, *given, float(self.problem.eps), gx)
        return self._restored(gx, layout, x), self._unflat(ggamma, layout), self._unflat(gbeta, layout)

    def _moments_of(self, dense: Any, layout: Layout) -> tuple[Any, Any]:
        mean, var, _ = self._reduce("moments", 3, layout, dense)
        return mean, var

    def _normalize(self, x: Any, dense: Any, layout: Layout, given: tuple[Any, ...]) -> Array:
        """Return y, from flat γ, β, means and variances."""
        y = self._cupy.empty(dense.shape, self.backend.native_dtype(self._y_dtype))
        self._stream("normalize", layout, dense, *given, float(self.problem.eps), y)
        result = self._restored(y, layout, x)
        if self._activation is None:
            return result
        return self.backend.xp.astype(self._activation.apply(self.backend, result), x.dtype, copy=False)

    # Launches. -------------------------------------------------------------------------------------------------

    def _reduce(self, name: str, numbers: int, layout: Layout, *operands: Any) -> Any:
        """Return (numbers, channels): what a kernel finds in each channel's shares, made one of."""
        lengths, dtype = layout.lengths, self.backend.native_dtype(self.problem.parameter_dtype)
        made: Any = None
        merge = f"merge_{name}"
        for rows, lanes in stages(lengths):
            made = self._cupy.empty((numbers, rows, lengths[1], lanes), dtype)
            self._run(name, lengths, rows, lanes, *operands, made)
            name, lengths, operands = merge, (rows, lengths[1], lanes), (made,)
        return made.reshape(numbers, lengths[1])

    def _stream(self, name: str, layout: Layout, *operands: Any) -> None:
        rows, lanes = share_out(layout.lengths, STREAMED, math.prod(layout.lengths))
        self._run(name, layout.lengths, rows, lanes, *operands)

    def _run(self, name: str, lengths: Shape, rows: int, lanes: int, *operands: Any) -> None:
        problem = self.problem
        about_y = (self._y_dtype, self._rectifies) if name in ABOUT_Y else (problem.dtype, False)
        kernel = _kernel(self._cupy, name, problem.dtype, problem.parameter_dtype, *about_y)
        blocks = -(-rows * lengths[1] * lanes // THREADS)
        kernel((blocks,), (THREADS,), (*operands, *lengths, rows, lanes))

    # Layout. ---------------------------------------------------------------------------------------------------

    def _dense(self, a: Any, layout: Layout) -> Any:
        """Return an array of x's shape in memory order: no copy where it is dense in it."""
        return self._cupy.ascontiguousarray(a.transpose(layout.order))

    def _restored(self, dense: Any, layout: Layout, x: Any) -> Array:
        """Return a result with x's axes and memory format: a copy where the axes of means are apart there."""
        order = memory_order(x.strides)
        made = dense.transpose(_inverse(layout.order)).transpose(order)
        return self._cupy.ascontiguousarray(made).transpose(_inverse(order))

    def _flat(self, parameter: Any, layout: Layout) -> Any:
        """Return γ, β, a mean or a variance as the kernels read it."""
        kept = self.problem.kept_axes
        order = [kept.index(axis) for axis in layout.kept]
        return self._cupy.ascontiguousarray(self._widen(parameter).transpose(order))  # type: ignore[attr-defined]

    def _unflat(self, found: Any, layout: Layout) -> Array:
        """Return a statistic or a parameter's gradient, (channels,), with its own axes."""
        made = found.reshape([self.problem.x[axis] for axis in layout.kept])
        return self._cupy.ascontiguousarray(made.transpose(_inverse(layout.kept)))


def _inverse(order: Sequence[int]) -> list[int]:
    """Return the places of an order's numbers, the smallest first."""
    return sorted(range(len(order)), key=order.__getitem__)


def register(backend: CupyBackend) -> None:
    """Override core's family."""
    backend.implements(Normalization)(CupyNormalization)
