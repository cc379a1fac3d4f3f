"""Pooling of regions of interest (RoIs): a thread for each result both ways, without copies or atomic additions."""

from __future__ import annotations

import functools
import math
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kusari.backend import Backend
from kusari.kernels.roi import Points, RoiAverage, RoiMax, RoiProblem, pixel_bounds, sample_points
from kusari.kernels.window import to_channels_last
from kusari.types import Array, Shape
from kusari_cupy.syntax import CUDA

if TYPE_CHECKING:
    from kusari_cupy.backend import CupyBackend

OPTIONS: Final = ("--fmad=false",)
"""A product is rounded before it is added, as in the portable definition: which of two points is higher, and whether
one on the edge counts, hangs on the last bit."""

LIMIT: Final = 2**31 - 1
"""Samples of a bin from this number on do not count; there are none within an image but for RoIs of 10⁹ pixels."""

# T is the image's dtype, P that of the RoIs' coordinates.
POINTS: Final = f"""
template <class P> struct Sample {{ bool counts; long long before, after; P near; }};
struct Samples {{ long long first, behind; }};

// The pixels around a sample, and how near it is to the one behind; a NaN does not count.
template <class P> __device__ Sample<P> sample(P start, P step, long long s, long long length) {{
  const P position = start + ((P)s + (P)0.5) * step, last = (P)(length - 1);
  const P inside = position < 0 ? (P)0 : position > last ? last : position, before = floor(inside);
  const bool counts = position >= -1 && position <= (P)length;
  const long long pixel = counts ? (long long)before : 0;
  return {{counts, pixel, pixel + 1 < length ? pixel + 1 : length - 1, inside - before}};
}}

template <class P> __device__ P share(Sample<P> of, long long pixel) {{
  return (of.before == pixel ? 1 - of.near : (P)0) + (of.after == pixel ? of.near : (P)0);
}}

template <class P> __device__ long long whole(P a) {{  // 0 for a NaN
  return a > 0 ? a < (P){LIMIT} ? (long long)a : {LIMIT} : 0;
}}

// The samples that may count, which are few however large the RoI is, and one or two more: rounding errs.
template <class P> __device__ Samples samples(P start, P step, P number, long long length) {{
  const long long behind = whole(((P)length - start) / step + (P)1.5), all = length > 0 ? whole(number) : 0;
  return {{whole((-1 - start) / step - (P)0.5), behind < all ? behind : all}};
}}
"""
FROM_OUTPUT: Final = f"""
const long long c = i % C, ow = i / C % OW, oh = i / C / OW % OH, r = i / C / OW / OH, n = image[r];
const long long row_bin = r * OH + oh, column_bin = r * OW + ow;
const bool there = n >= 0 && n < N;  // else nothing is read
const T nan = (T){CUDA.words["nan"]}, lowest = (T){CUDA.words["-inf"]};
"""
INTERPOLATED: Final = """
const long long above = (n * H + v.before) * W, below = (n * H + v.after) * W;
T value = 0;
value += x[(above + u.before) * C + c] * (T)((1 - v.near) * (1 - u.near));
value += x[(above + u.after) * C + c] * (T)((1 - v.near) * u.near);
value += x[(below + u.before) * C + c] * (T)(v.near * (1 - u.near));
value += x[(below + u.after) * C + c] * (T)(v.near * u.near);
"""
_BETTER: Final = "value > best || value != value && best == best"  # a NaN wins, the first of equals stays
_IMAGE: Final = "raw int64 image"
_BOUNDS: Final = "raw int64 top, raw int64 bottom, raw int64 left, raw int64 right"
_WEIGHTS: Final = "raw T down, raw T across"
_LINES: Final = "raw P down_start, raw P down_step, raw P across_start, raw P across_step"
_CHOSEN: Final = f"raw int32 down, raw int32 across, {_LINES}"
_REACH: Final = ", ".join(f"raw int32 {end}_{axis}" for axis in ("r", "oh", "ow") for end in ("first", "behind"))
_SIZES: Final = "int64 N, int64 C, int64 H, int64 W, int64 R, int64 OH, int64 OW"


def _over_bins(body: str) -> str:
    """Write a loop over the bins that may have a pixel: of those RoIs between two numbers that are of its image."""
    return f"""
const long long c = i % C, w = i / C % W, h = i / C / W % H, n = i / C / W / H;
T sum = 0;
for (long long r = first_r[n]; r < behind_r[n]; ++r) {{
  const long long row = h * R + r, column = w * R + r;
  if (image[r] != n) continue;
  for (int oh = first_oh[row]; oh < behind_oh[row]; ++oh)
  for (int ow = first_ow[column]; ow < behind_ow[column]; ++ow) {{
    const long long row_bin = r * OH + oh, column_bin = r * OW + ow, at = (row_bin * OW + ow) * C + c;
{body}
  }}
}}
gx = sum;
"""


KERNELS: Final = {
    # Of small arrays. Weights (…, length): from which pixel to which there are any but 0.
    "span": (
        "raw T weight, int64 length",
        "int64 first, int64 behind",
        """
long long from = 0, to = 0;
for (long long pixel = 0; pixel < length; ++pixel) {
  if (weight[i * length + pixel] == 0) continue;
  if (to == 0) from = pixel;
  to = pixel + 1;
}
first = from, behind = to;
""",
    ),
    # Spans (R, bins) of pixels -> spans (length, R) of the bins that have a pixel.
    "holders": (
        "raw int64 first, raw int64 behind, int64 R, int64 bins",
        "int32 first_bin, int32 behind_bin",
        """
const long long r = i % R, pixel = i / R;
int from = 0, to = 0;
for (int bin = 0; bin < bins; ++bin) {
  if (pixel < first[r * bins + bin] || pixel >= behind[r * bins + bin]) continue;
  if (to == 0) from = bin;
  to = bin + 1;
}
first_bin = from, behind_bin = to;
""",
    ),
    "average": (
        f"{_IMAGE}, {_BOUNDS}, {_WEIGHTS}, raw T x, {_SIZES}",
        "T y",
        FROM_OUTPUT
        + """
T sum = 0;
for (long long h = top[row_bin]; there && h < bottom[row_bin]; ++h) {
  const T v = down[row_bin * H + h];
  if (v == 0) continue;
  T row = 0;
  for (long long w = left[column_bin]; w < right[column_bin]; ++w) {
    const T u = across[column_bin * W + w];
    if (u != 0) row += u * x[((n * H + h) * W + w) * C + c];
  }
  sum += v * row;
}
y = there ? sum : nan;
""",
    ),
    "average_grad": (
        f"{_IMAGE}, {_REACH}, {_WEIGHTS}, raw T gy, {_SIZES}",
        "T gx",
        _over_bins("""
    const T weight = down[row_bin * H + h] * across[column_bin * W + w];
    if (weight != 0) sum += weight * gy[at];
"""),
    ),
    "pixels": (
        f"{_IMAGE}, {_BOUNDS}, raw T x, float64 empty, {_SIZES}",
        "T y, int32 place",
        FROM_OUTPUT
        + f"""
T best = (T)empty;
int chosen = -1;
for (long long h = top[row_bin]; there && h < bottom[row_bin]; ++h) {{
  for (long long w = left[column_bin]; w < right[column_bin]; ++w) {{
    const T value = x[((n * H + h) * W + w) * C + c];
    if (chosen < 0 || {_BETTER}) {{ best = value; chosen = h * W + w; }}
  }}
}}
y = there ? best : nan;
place = chosen;
""",
    ),
    "pixels_gather": (
        f"{_IMAGE}, raw int32 place, raw T x, {_SIZES}",
        "T y",
        FROM_OUTPUT + "y = !there ? nan : place[i] < 0 ? (T)0 : (T)x[(n * H * W + place[i]) * C + c];",
    ),
    "pixels_grad": (
        f"{_IMAGE}, {_REACH}, raw int32 place, raw T gy, {_SIZES}",
        "T gx",
        _over_bins("    if (place[at] == h * W + w) sum += gy[at];"),
    ),
    "points": (
        f"{_IMAGE}, {_LINES}, raw P down_number, raw P across_number, raw T x, {_SIZES}",
        "T y, int32 down, int32 across",
        FROM_OUTPUT
        + """
const P top = down_start[row_bin], left = across_start[column_bin], high = down_step[r], wide = across_step[r];
const Samples rows = samples<P>(top, high, down_number[r], H), columns = samples<P>(left, wide, across_number[r], W);
T best = lowest;
int row = -1, column = -1;
for (long long s = rows.first; there && s < rows.behind; ++s) {
  const Sample<P> v = sample<P>(top, high, s, H);
  for (long long t = columns.first; v.counts && t < columns.behind; ++t) {
    const Sample<P> u = sample<P>(left, wide, t, W);
    if (!u.counts) continue;
"""
        + INTERPOLATED
        + f"""
    if (row < 0 || {_BETTER}) {{ best = value; row = s; column = t; }}
  }}
}}
y = there ? best : nan;
down = row, across = column;
""",
    ),
    "points_gather": (
        f"{_IMAGE}, {_CHOSEN}, raw T x, {_SIZES}",
        "T y",
        FROM_OUTPUT
        + """
y = there ? (T)0 : nan;
if (there && down[i] >= 0) {
  const Sample<P> v = sample<P>(down_start[row_bin], down_step[r], down[i], H);
  const Sample<P> u = sample<P>(across_start[column_bin], across_step[r], across[i], W);
"""
        + INTERPOLATED
        + """
  y = value;
}
""",
    ),
    "points_grad": (
        f"{_IMAGE}, {_REACH}, {_CHOSEN}, raw T gy, {_SIZES}",
        "T gx",
        _over_bins("""
    if (down[at] < 0) continue;
    const Sample<P> v = sample<P>(down_start[row_bin], down_step[r], down[at], H);
    const Sample<P> u = sample<P>(across_start[column_bin], across_step[r], across[at], W);
    const T weight = (T)(share<P>(v, h) * share<P>(u, w));
    if (weight != 0) sum += weight * gy[at];
"""),
    ),
}
"""Name -> what goes in, what comes out, and what a thread does."""


def accepts(problem: RoiProblem) -> bool | str:
    """Tell whether the kernels are written for a Problem, or why not."""
    if problem.dtype.name not in ("float32", "float64"):
        return f"written for float32 and float64, not {problem.dtype}"
    return True


class Kept(NamedTuple):
    """What forward leaves for the gradient and for `gather`."""

    image: Any
    """(R,), int64."""
    reach: Any
    """The first row that each bin reads and the one behind the last, the first column and the one behind the last;
    or the `Points` down and across, of which that follows."""
    made: tuple[Any, ...]
    """What a kernel needs to know which pixels a result is made of."""


class _Regions:
    """The arrays of a pooling of RoIs as dense memory, and its kernels on them."""

    def __init__(self, backend: Backend, problem: RoiProblem) -> None:
        self._backend = backend
        self._cupy: Any = next(link.cupy for link in backend.chain if hasattr(link, "cupy"))
        self._problem = problem
        self._sizes = (*problem.x, problem.rois, *problem.out)

    def flat(self, a: Array) -> Any:
        """Return an array in C order; no copy where it is."""
        return self._cupy.ascontiguousarray(a).reshape(-1)

    def dense(self, a: Array) -> Any:
        """Return images in memory order: no copy where they are channels-last."""
        return self.flat(to_channels_last(self._backend, a))

    def numbers(self, a: Array) -> Any:
        """Return integers as the kernels read them."""
        return self.flat(self._backend.xp.astype(a, self._backend.xp.int64, copy=False))

    def output(self, name: str, inputs: tuple[Any, ...], *dtypes: Any) -> tuple[Array, ...]:
        """Return what a kernel makes of each bin, (R, C, H', W') of channels-last memory."""
        shape = (self._problem.rois, *self._problem.out, self._problem.x[1])
        made = self._launch(name, (*inputs, *self._sizes), shape, dtypes)
        return tuple([one.transpose((0, 3, 1, 2)) for one in made])

    def gradient(self, name: str, kept: Kept, gy: Any) -> Array:
        """Return the gradient of x, (N, C, H, W) of channels-last memory."""
        (n, c, h, w), (oh, ow) = self._problem.x, self._problem.out
        top, bottom, left, right = kept.reach
        reach = (
            *self._holders(kept.image, kept.image + 1, (1, self._problem.rois), n),
            *self._holders(top, bottom, (self._problem.rois, oh), h),
            *self._holders(left, right, (self._problem.rois, ow), w),
        )
        inputs = kept.image, *reach, *kept.made, self.dense(gy), *self._sizes
        return self._launch(name, inputs, (n, h, w, c), (gy.dtype,))[0].transpose((0, 3, 1, 2))

    def span(self, weights: Any) -> tuple[Any, ...]:
        """Return the first pixel of each row of weights (R, bins, length) that counts, and the one behind the last."""
        *bins, length = weights.shape
        return tuple(self._launch("span", (self.flat(weights), length), (math.prod(bins),), ("int64",) * 2))

    def _holders(self, first: Any, behind: Any, shape: Shape, length: int) -> tuple[Any, ...]:
        return tuple(self._launch("holders", (first, behind, *shape), (length * shape[0],), ("int32",) * 2))

    def _launch(self, name: str, inputs: tuple[Any, ...], shape: Shape, dtypes: tuple[Any, ...]) -> list[Any]:
        outputs = [self._cupy.empty(shape, dtype) for dtype in dtypes]
        if math.prod(shape):
            _kernel(self._cupy, name)(*inputs, *outputs)
        return outputs


@functools.cache
def _kernel(cupy: ModuleType, name: str) -> Any:
    inputs, outputs, body = KERNELS[name]
    return cupy.ElementwiseKernel(
        inputs, outputs, body, f"kusari_roi_{name}", preamble=POINTS, no_return=True, options=OPTIONS
    )


class CupyRoiAverage(RoiAverage):
    """The weights as in the portable definition; then each way one launch over images and gradients.

    A pixel of weight 0 is not read, so that NaN goes to those bins only that it belongs to. Of an image that is not
    there, y is NaN, and no gradient flows.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: RoiProblem) -> None:
        super().__init__(backend, problem)
        self._regions = _Regions(backend, problem)

    @classmethod
    def accepts(cls, problem: RoiProblem) -> bool | str:
        return accepts(problem)

    def forward(self, x: Array, rois: Array, image: Array) -> tuple[Array, Kept]:
        xp, regions = self.backend.xp, self._regions
        down, across = (xp.astype(self._weights(rois, axis), x.dtype, copy=False) for axis in (0, 1))
        reach = *regions.span(down), *regions.span(across)
        kept = Kept(regions.numbers(image), reach, (regions.flat(down), regions.flat(across)))
        return self.gather(kept, x), kept

    def gather(self, kept: Kept, x: Array) -> Array:
        inputs = kept.image, *kept.reach, *kept.made, self._regions.dense(x)
        return self._regions.output("average", inputs, x.dtype)[0]

    def grad_input(self, kept: Kept, gy: Array) -> Array:
        return self._regions.gradient("average_grad", kept, gy)


class CupyRoiMax(RoiMax):
    """Bounds and points as in the portable definition; then each way one launch over images and gradients.

    Each thread reads the number of samples itself: the host never waits, and ``config.forbid_synchronization`` forbids
    nothing. Of an image that is not there, y is NaN, and no gradient flows.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: RoiProblem) -> None:
        super().__init__(backend, problem)
        self._regions = _Regions(backend, problem)
        self._kind = "pixels" if problem.samples is None else "points"

    @classmethod
    def accepts(cls, problem: RoiProblem) -> bool | str:
        return accepts(problem)

    def forward(self, x: Array, rois: Array, image: Array) -> tuple[Array, Kept]:
        backend, problem, regions = self.backend, self.problem, self._regions
        number, pixels = regions.numbers(image), regions.dense(x)
        if problem.samples is None:
            reach = [regions.flat(a) for axis in (0, 1) for a in pixel_bounds(backend, problem, rois, axis)]
            inputs = number, *reach, pixels, 0.0 if problem.fast_rcnn else -math.inf
            y, place = regions.output("pixels", inputs, x.dtype, "int32")
            return y, Kept(number, reach, (regions.dense(place),))
        points = [sample_points(backend, problem, rois, axis) for axis in (0, 1)]
        lines = [regions.flat(a) for along in points for a in (along.start, along.step)]
        counts = [regions.flat(along.number) for along in points]
        y, *samples = regions.output("points", (number, *lines, *counts, pixels), x.dtype, "int32", "int32")
        return y, Kept(number, points, (*map(regions.dense, samples), *lines))

    def gather(self, kept: Kept, x: Array) -> Array:
        inputs = kept.image, *kept.made, self._regions.dense(x)
        return self._regions.output(f"{self._kind}_gather", inputs, x.dtype)[0]

    def grad_input(self, kept: Kept, gy: Array) -> Array:
        if self.problem.samples is not None:
            kept = kept._replace(reach=[bound for points in kept.reach for bound in self._reach(points)])
        return self._regions.gradient(f"{self._kind}_grad", kept, gy)

    def _reach(self, points: Points) -> tuple[Any, Any]:
        """Return the first pixel that samples of each bin may be made of, and the one behind the last: (R, bins)."""
        before, _ = points.neighbours(self.backend, 0)[0]
        after, _ = points.neighbours(self.backend, points.number - 1)[1]
        return self._regions.flat(before), self._regions.flat(after) + 1


def register(backend: CupyBackend) -> None:
    """Override core's families."""
    backend.implements(RoiAverage)(CupyRoiAverage)
    backend.implements(RoiMax)(CupyRoiMax)
