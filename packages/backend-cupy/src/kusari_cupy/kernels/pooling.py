"""Max and average pooling over one to three axes: a thread for each result both ways, without atomic additions."""

from __future__ import annotations

import functools
import math
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from kusari.backend import Backend
from kusari.kernels.pooling import AveragePooling, MaxPooling, PoolingProblem
from kusari.kernels.window import to_channels_last
from kusari.types import Array, Shape

if TYPE_CHECKING:
    from kusari_cupy.backend import CupyBackend

SUMS: Final = {"float16": "float", "bfloat16": "float", "float32": "float", "float64": "double"}
"""What numbers of a dtype are compared and added up in."""

# Arrays are dense (N, D, H, W, C). `FROM_OUTPUT` finds a result's place, `FROM_INPUT` a pixel's; the loops below go
# over the places in the window, and a window's row `oh` looks at row oh·SH − PH + kh·DH.
FROM_OUTPUT: Final = """
const long long c = i % C, ow = i / C % OW, oh = i / C / OW % OH, od = i / C / OW / OH % OD, n = i / C / OW / OH / OD;
"""
FROM_INPUT: Final = """
const long long c = i % C, w = i / C % W, h = i / C / W % H, d = i / C / W / H % D, n = i / C / W / H / D;
"""
OVER_PIXELS: Final = """
for (int kd = 0; kd < KD; ++kd) for (int kh = 0; kh < KH; ++kh) for (int kw = 0; kw < KW; ++kw) {
  const int k = (kd * KH + kh) * KW + kw;
  const long long d = od * SD - PD + kd * DD, h = oh * SH - PH + kh * DH, w = ow * SW - PW + kw * DW;
  const bool inside = d >= 0 && d < D && h >= 0 && h < H && w >= 0 && w < W;
  const long long at = (((n * D + d) * H + h) * W + w) * C + c;
"""
OVER_WINDOWS: Final = """
for (int kd = 0; kd < KD; ++kd) for (int kh = 0; kh < KH; ++kh) for (int kw = 0; kw < KW; ++kw) {
  const int k = (kd * KH + kh) * KW + kw;
  const long long ad = d + PD - kd * DD, ah = h + PH - kh * DH, aw = w + PW - kw * DW;
  if (ad < 0 || ah < 0 || aw < 0 || ad % SD || ah % SH || aw % SW) continue;
  const long long od = ad / SD, oh = ah / SH, ow = aw / SW, at = (((n * OD + od) * OH + oh) * OW + ow) * C + c;
  if (od >= OD || oh >= OH || ow >= OW) continue;
"""
WEIGHT: Final = """
  int layers = 0, rows = 0, columns = 0;
  for (int k = 0; k < KD; ++k) layers += od * SD - PD + k * DD >= 0 && od * SD - PD + k * DD < D;
  for (int k = 0; k < KH; ++k) rows += oh * SH - PH + k * DH >= 0 && oh * SH - PH + k * DH < H;
  for (int k = 0; k < KW; ++k) columns += ow * SW - PW + k * DW >= 0 && ow * SW - PW + k * DW < W;
  const int seen = COUNT_BORDER ? KD * KH * KW : layers * rows * columns;
"""
_SIZES: Final = ", ".join(f"int64 {size}" for size in "C D H W OD OH OW".split())
KERNELS: Final = {
    # A NaN wins, the first of equals stays. What the border gives is lower than everything.
    "max": (
        f"raw T x, {_SIZES}",
        "T y, int32 place",
        FROM_OUTPUT
        + "A best = 0;\nint chosen = 0;"
        + OVER_PIXELS
        + "  const A seen = inside ? (A)x[at] : (A)-__longlong_as_double(0x7ff0000000000000LL);\n"
        + "  const bool better = !(seen <= best) && best == best;\n"
        + "  if (k == 0 || better) { best = seen; chosen = k; }\n}\n"
        + "y = (T)best;\nplace = chosen;",
    ),
    "max_grad": (
        f"raw int32 place, raw T gy, {_SIZES}",
        "T gx",
        FROM_INPUT + "A sum = 0;" + OVER_WINDOWS + "  if (place[at] == k) sum += (A)gy[at];\n}\ngx = (T)sum;",
    ),
    "max_gather": (
        f"raw int32 place, raw T x, {_SIZES}",
        "T y",
        FROM_OUTPUT
        + "A found = 0;"
        + OVER_PIXELS
        + "  if (inside && place[i] == k) found = (A)x[at];\n}\ny = (T)found;",
    ),
    "average": (
        f"raw T x, {_SIZES}",
        "T y",
        FROM_OUTPUT
        + "A sum = 0;"
        + OVER_PIXELS
        + "  if (inside) sum += (A)x[at];\n}"
        + WEIGHT
        + "y = (T)(sum / (A)(seen > 0 ? seen : 1));",
    ),
    "average_grad": (
        f"raw T gy, {_SIZES}",
        "T gx",
        FROM_INPUT + "A sum = 0;" + OVER_WINDOWS + WEIGHT + "  sum += (A)gy[at] / (A)seen;\n}\ngx = (T)sum;",
    ),
}
"""Name -> what goes in, what comes out, and what a thread does."""

Geometry = tuple[tuple[int, int, int, int], ...]
"""Of layers, rows and columns: size, stride, pad, dilate."""


def constants(geometry: Geometry, count_border: bool, kind: str) -> str:
    """Write a window down, which the compiler unrolls."""
    lines = [f"typedef {kind} A;", f"#define COUNT_BORDER {int(count_border)}"]
    for axis, numbers in zip("DHW", geometry, strict=True):
        lines += [f"#define {name}{axis} {number}" for name, number in zip("KSPD", numbers, strict=True)]
    return "\n".join(lines) + "\n"


def accepts(problem: PoolingProblem) -> bool | str:
    """Tell whether the kernels are written for a Problem, or why not."""
    if problem.dtype.name not in SUMS:
        return f"written for floating-point numbers, not {problem.dtype}"
    if not 1 <= len(problem.window.size) <= 3:
        return f"{len(problem.window.size)} spatial axes; written for one to three"
    return True


class _Images:
    """The arrays of a pooling as dense (N, D, H, W, C), and its kernels on them."""

    def __init__(self, backend: Backend, problem: PoolingProblem) -> None:
        self._backend = backend
        self._cupy: Any = next(link.cupy for link in backend.chain if hasattr(link, "cupy"))
        missing = [(1, 1, 0, 1)] * (3 - len(problem.window.size))
        self._key = ((*missing, *zip(*problem.window, strict=True)), problem.count_border, SUMS[problem.dtype.name])
        ones = (1,) * len(missing)
        self._sizes = (problem.x[1], *ones, *problem.x[2:], *ones, *problem.out_shape)

    def dense(self, a: Array) -> Any:
        """Return an array in memory order: no copy where it is channels-last."""
        return self._cupy.ascontiguousarray(to_channels_last(self._backend, a)).reshape(-1)

    def run(self, name: str, inputs: tuple[Any, ...], shape: Shape, *dtypes: Any) -> tuple[Array, ...]:
        """Return what a kernel makes, (N, C, *spatial) of channels-last memory."""
        n, c, *spatial = shape
        outputs = [self._cupy.empty((n, *spatial, c), dtype) for dtype in dtypes]
        if math.prod(shape):
            _kernel(self._cupy, name, *self._key)(*inputs, *self._sizes, *outputs)
        return tuple([output.transpose((0, output.ndim - 1, *range(1, output.ndim - 1))) for output in outputs])


@functools.lru_cache(maxsize=1024)
def _kernel(cupy: ModuleType, name: str, geometry: Geometry, count_border: bool, kind: str) -> Any:
    inputs, outputs, body = KERNELS[name]
    preamble = constants(geometry, count_border, kind)
    return cupy.ElementwiseKernel(inputs, outputs, body, f"kusari_{name}", preamble=preamble, no_return=True)


class CupyMaxPooling(MaxPooling):
    """Each way one launch, where the portable definition has four for each place in the window."""

    contract = 1

    def __init__(self, backend: Backend, problem: PoolingProblem) -> None:
        super().__init__(backend, problem)
        self._images = _Images(backend, problem)
        self._out = (*problem.x[:2], *problem.out_shape)

    @classmethod
    def accepts(cls, problem: PoolingProblem) -> bool | str:
        return accepts(problem)

    def forward(self, x: Any) -> tuple[Array, Array]:
        y, place = self._images.run("max", (self._images.dense(x),), self._out, x.dtype, "int32")
        return y, place

    def grad_input(self, where: Array, gy: Any) -> Array:
        inputs = self._images.dense(where), self._images.dense(gy)
        return self._images.run("max_grad", inputs, self.problem.x, gy.dtype)[0]

    def gather(self, where: Array, x: Any) -> Array:
        inputs = self._images.dense(where), self._images.dense(x)
        return self._images.run("max_gather", inputs, self._out, x.dtype)[0]


class CupyAveragePooling(AveragePooling):
    """Each way one launch."""

    contract = 1

    def __init__(self, backend: Backend, problem: PoolingProblem) -> None:
        super().__init__(backend, problem)
        self._images = _Images(backend, problem)
        self._out = (*problem.x[:2], *problem.out_shape)

    @classmethod
    def accepts(cls, problem: PoolingProblem) -> bool | str:
        return accepts(problem)

    def forward(self, x: Any) -> Array:
        return self._images.run("average", (self._images.dense(x),), self._out, x.dtype)[0]

    def grad_input(self, gy: Any) -> Array:
        return self._images.run("average_grad", (self._images.dense(gy),), self.problem.x, gy.dtype)[0]


def register(backend: CupyBackend) -> None:
    """Override core's families."""
    backend.implements(MaxPooling)(CupyMaxPooling)
    backend.implements(AveragePooling)(CupyAveragePooling)
