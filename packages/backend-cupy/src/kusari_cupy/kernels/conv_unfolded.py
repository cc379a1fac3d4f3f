"""Convolution by matrix products over some pixels at a time, whose unfolded windows stay in the GPU's cache."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final, NamedTuple

from kusari.backend import Backend
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import to_channels_first, to_channels_last
from kusari.types import Array, Shape

BLOCK: Final = 2**23
"""Numbers of unfolded windows at a time: 32 MiB of float32, where an A100's L2 cache has 40 MB and an H100's 50."""

DTYPES: Final = ("float16", "bfloat16", "float32", "float64")

# The image is dense (N, D, H, W, C), and so is the grid of places (N, GD, GH, GW) from where it is seen; from place p,
# tap k looks at p·S + F + k·E along each axis, and at 0 outside. Columns are (groups, places, taps, C / groups).
UNFOLD: Final = """
const int at = i, c = at % CG, tap = at / CG % (KD * KH * KW);
const PLACE row = at / CG / (KD * KH * KW), place = (PLACE)first + row % count, g = row / count;
const PLACE w = place % GW * SW + FW + tap % KW * EW, h = place / GW % GH * SH + FH + tap / KW % KH * EH;
const PLACE d = place / GW / GH % GD * SD + FD + tap / KW / KH * ED, n = place / GW / GH / GD;
const bool inside = d >= 0 && d < D && h >= 0 && h < H && w >= 0 && w < W;
y = inside ? x[(((n * D + d) * H + h) * W + w) * C + g * CG + c] : (T)0;
"""
IN: Final = "raw T x, int64 first, " + ", ".join(f"int32 {size}" for size in "count CG C D H W GD GH GW".split())
"""What `UNFOLD` is given."""


class Sight(NamedTuple):
    """Which pixels are seen along one axis: from place p, tap k sees p · stride + first + k · each."""

    taps: int
    stride: int
    first: int
    each: int


class Phase(NamedTuple):
    """How, along one axis, pixels ``start``, ``start`` + stride, … see the outputs whose windows they are in."""

    start: int
    sight: Sight
    taps: slice
    """Those of the window's taps that look at these pixels."""


class UnfoldedConvolution(Convolution):
    """What each place sees is a row of a matrix, which is multiplied by the filters: y = columns · W.

    Only `BLOCK` of the columns exist at a time. A pixel's gradient is such a convolution too, of what sees the pixel;
    with strides, pixels are seen by different taps, so those of each phase are computed apart.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self._cupy: Any = next(link.cupy for link in backend.chain if hasattr(link, "cupy"))

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        if problem.dtype.name not in DTYPES:
            return f"{problem.dtype} is not among {', '.join(DTYPES)}"
        if not 1 <= len(problem.x) - 2 <= 3:
            return f"{len(problem.x) - 2} spatial axes; written for one to three"
        if 0 in (*problem.x, *problem.y, *problem.W):
            return "there is nothing to compute"
        return True

    def forward(self, x: Array, W: Array, b: Array | None) -> Array:
        xp, problem, activation = self.backend.xp, self.problem, self.problem.activation
        if problem.window.trivial:
            return super().forward(x, W, b)
        y = self._seen(
            x, problem.out_shape, self._windows(), self.backend.derived(W, ("unfolded", problem.groups), self._matrix)
        )
        if b is not None:
            y += b
        if activation is not None:
            y = activation.apply(self.backend, y)
        return to_channels_first(self.backend, xp.reshape(y, (problem.x[0], *problem.out_shape, problem.W[0])))

    def grad_input(self, W: Array, gy: Array) -> Array:
        problem, (n, c, *spatial) = self.problem, self.problem.x
        if problem.window.trivial:
            return super().grad_input(W, gy)
        phases = [list(phases_of(*axis)) for axis in zip(*problem.window, spatial, strict=True)]
        whole = set(problem.window.stride) == {1}
        gx: Any = None if whole else self.backend.xp.zeros((n, *spatial, c), dtype=gy.dtype, device=gy.device)
        for phase in itertools.product(*phases):
            sights = [along.sight for along in phase]
            if 0 in [sight.taps for sight in sights]:
                continue  # nothing sees these pixels
            taps = tuple(along.taps for along in phase)
            pack = functools.partial(self._turned, taps=taps)
            where = tuple(slice(along.start, None, s) for along, s in zip(phase, problem.window.stride, strict=True))
            grid = tuple(len(range(length)[one]) for length, one in zip(spatial, where, strict=True))
            key = ("turned", problem.groups, *((some.start, some.stop, some.step) for some in taps))
            filters = self.backend.derived(W, key, pack)
            made = self._seen(gy, grid, sights, filters).reshape(n, *grid, c)
            if whole:
                gx = made
            else:
                gx[(slice(None), *where)] = made
        return to_channels_first(self.backend, gx)

    def grad_weight(self, x: Array, gy: Array) -> Array:
        xp, problem, (o, c, *window) = self.backend.xp, self.problem, self.problem.W
        if problem.window.trivial:
            return super().grad_weight(x, gy)
        total, gy = None, self._flat(gy)
        for rows, columns in self._columns_of(x, problem.out_shape, self._windows()):
            share = self._product(xp.matrix_transpose(columns), gy[:, rows])
            total = share if total is None else total + share
        product = xp.reshape(total, (problem.groups, *window, c, o // problem.groups))
        axes = (0, product.ndim - 1, product.ndim - 2, *range(1, product.ndim - 2))
        return xp.reshape(xp.permute_dims(product, axes), problem.W)

    def _windows(self) -> list[Sight]:
        """Return how outputs see x."""
        sizes = zip(*self.problem.window, strict=True)
        return [Sight(size, stride, -pad, dilate) for size, stride, pad, dilate in sizes]

    def _turned(self, W: Array, taps: tuple[slice, ...]) -> Array:
        """Return some taps of W as (groups, taps · O/groups, C/groups)."""
        xp, g, (o, c) = self.backend.xp, self.problem.groups, self.problem.W[:2]
        some = xp.reshape(W[(slice(None), slice(None), *taps)], (g, o // g, c, -1))
        return xp.reshape(xp.permute_dims(some, (0, 3, 1, 2)), (g, -1, c))

    def _seen(self, image: Any, grid: Shape, sights: list[Sight], filters: Any) -> Any:
        """Return what the places of a grid make of an image (N, C, *spatial): (N · grid, groups · filters)."""
        groups, _, width = filters.shape
        y = self._cupy.empty((len(image) * math.prod(grid), groups, width), image.dtype)
        for rows, columns in self._columns_of(image, grid, sights):
            if groups == 1 and self.problem.dtype.name != "bfloat16":
                self._cupy.matmul(columns[0], filters[0], out=y[rows, 0])
            else:
                y[rows] = self.backend.xp.permute_dims(self._product(columns, filters), (1, 0, 2))
        return y.reshape(len(y), groups * width)

    def _columns_of(self, image: Array, grid: Shape, sights: list[Sight]) -> Iterator[tuple[slice, Any]]:
        """Yield which places of the grid, and what they see of an image: (groups, places, taps · C/groups)."""
        groups, (n, c, *spatial) = self.problem.groups, image.shape
        pixels = self._cupy.ascontiguousarray(to_channels_last(self.backend, image)).reshape(-1)
        places, width = n * math.prod(grid), c // groups * math.prod(sight.taps for sight in sights)
        ones = (1,) * (3 - len(grid))
        sizes = (c // groups, c, *ones, *spatial, *ones, *grid)
        far = max(n * math.prod(spatial) * c, places * groups) >= 2**31
        kernel = _kernel(self._cupy, (*(Sight(1, 1, 0, 1) for _ in ones), *sights), far)
        step = max(1, BLOCK // (groups * width))
        for first in range(0, places, step):
            count = min(step, places - first)
            columns = self._cupy.empty((groups, count, width), pixels.dtype)
            kernel(pixels, first, count, *sizes, columns)
            yield slice(first, first + count), columns


def phases_of(size: int, stride: int, pad: int, dilate: int, length: int) -> Iterator[Phase]:
    """Yield, for each phase of an axis of so many pixels, how its pixels see the outputs.

    Tap k of output o looks at pixel o·stride − pad + k·dilate; so pixel start + p·stride is seen by output
    p + (start + pad − k·dilate) / stride, for each tap k for which this is whole: every m-th, from one on.

    >>> even, odd = phases_of(3, 2, 1, 1, 8)
    >>> even.taps, odd.taps
    (slice(1, None, 2), slice(0, None, 2))
    >>> odd.sight
    Sight(taps=2, stride=1, first=1, each=-1)
    """
    every = stride // math.gcd(stride, dilate)
    for start in range(min(stride, length)):
        taps = [k for k in range(size) if (start + pad - k * dilate) % stride == 0]
        if not taps:
            yield Phase(start, Sight(0, 1, 0, 0), slice(0))
            continue
        first = (start + pad - taps[0] * dilate) // stride
        yield Phase(start, Sight(len(taps), 1, first, -every * dilate // stride), slice(taps[0], None, every))


def preamble(sights: tuple[Sight, ...], far: bool) -> str:
    """Write down how places see an image, which the compiler unrolls; ``far``: numbers may pass 2³¹."""
    lines = [f"typedef {'long long' if far else 'int'} PLACE;"]
    for axis, sight in zip("DHW", sights, strict=True):
        lines += [f"#define {name}{axis} ({number})" for name, number in zip("KSFE", sight, strict=True)]
    return "\n".join(lines) + "\n"


@functools.lru_cache(maxsize=1024)
def _kernel(cupy: ModuleType, sights: tuple[Sight, ...], far: bool) -> Callable[..., None]:
    made: Callable[..., None] = cupy.ElementwiseKernel(
        IN, "T y", UNFOLD, "kusari_unfold", preamble=preamble(sights, far), no_return=True
    )
    return made
