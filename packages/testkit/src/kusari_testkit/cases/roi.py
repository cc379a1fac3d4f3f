"""Pooling of regions of interest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.roi import RoiAverage, RoiMax, RoiProblem
from kusari.types import Shape
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.draw import Draw, HostArray, distinct, normal

WIDE: Final = ("float32", "float64")

Part = tuple[int, int, float]
"""A pixel and its weight."""

INSIDE: Final = ((0, 0.0, 0.0, 6.0, 5.0), (1, 1.0, 0.5, 4.0, 3.0), (1, 2.25, 1.0, 3.0, 4.75), (0, 3.0, 2.0, 3.0, 2.0))
"""RoIs: image, top, left, bottom, right. Quarters, so that every dtype holds them."""

BEYOND: Final = (
    *((0, -2.0, 1.25, 3.0, 9.0), (1, -3.0, -4.0, 12.0, 10.0), (0, 4.0, 3.0, 2.0, 1.0)),
    *((1, 20.0, 1.0, 24.0, 4.0), (1, -9.0, -9.0, -6.0, -5.0), (0, 5.5, 4.5, 8.25, 7.75)),
)
"""Partly and wholly outside, and upside down."""


@dataclass(frozen=True)
class Region:
    """A pooling of RoIs without its numbers."""

    label: str
    family: type[RoiAverage | RoiMax]
    out: Shape
    scale: float = 1.0
    samples: tuple[int | None, int | None] | None = None
    fast_rcnn: bool = False
    rois: tuple[tuple[float, ...], ...] = (*INSIDE, *BEYOND)
    x: Shape = (2, 3, 6, 5)

    @property
    def y(self) -> Shape:
        """(R, C, H', W')."""
        return (len(self.rois), self.x[1], *self.out)

    @property
    def inputs(self) -> tuple[Input, Input, Input]:
        """The image, the RoIs and their images."""
        corners, image = (np.asarray(self.rois).reshape(-1, 5)[:, part] for part in (slice(1, 5), 0))
        return (
            Input(self.x, normal if self.family is RoiAverage else distinct),
            Input(corners.shape, _given(corners)),
            Input(image.shape, _given(image), "int32"),
        )

    def problem(self, dtype: Any) -> RoiProblem:
        """Return the Problem in a dtype of the host."""
        return RoiProblem(
            self.x, len(self.rois), self.out, self.scale, dtype, None, self.samples, fast_rcnn=self.fast_rcnn
        )

    # The oracle: bins one by one. -----------------------------------------------------------------------------------

    def _pixels(self, low: float, high: float, axis: int, place: int) -> range:
        first, last = round(low * self.scale), round(high * self.scale)  # to even, as Python does
        size = max(last - first + (1 if self.fast_rcnn else 0), 1) / self.out[axis]
        begin, end = first + math.floor(place * size), first + math.ceil((place + 1) * size)
        return range(max(begin, 0), min(end, self.x[2 + axis]))

    def _points(self, low: float, high: float, axis: int, place: int) -> list[float]:
        assert self.samples is not None
        size = max(high * self.scale - low * self.scale, 1.0) / self.out[axis]
        count = self.samples[axis] or math.ceil(size)
        return [low * self.scale + place * size + (s + 0.5) * size / count for s in range(count)]

    def _between(self, position: float, axis: int) -> list[tuple[int, float]] | None:
        length = self.x[2 + axis]
        if not -1 <= position <= length:
            return None
        position = min(max(position, 0.0), length - 1.0)
        before = math.floor(position)
        near = position - before
        return [(before, 1 - near), (min(before + 1, length - 1), near)]

    def candidates(self, roi: HostArray, i: int, j: int) -> Iterator[list[Part] | None]:
        """Yield what a bin's mean or maximum is over: pixels, or points made of several; None for one outside."""
        top, left, bottom, right = map(float, roi)
        if self.samples is None:
            columns = self._pixels(left, right, 1, j)
            for row in self._pixels(top, bottom, 0, i):
                yield from ([(row, column, 1.0)] for column in columns)
            return
        for down in self._points(top, bottom, 0, i):
            for along in self._points(left, right, 1, j):
                rows, columns_near = self._between(down, 0), self._between(along, 1)
                if rows is None or columns_near is None:
                    yield None
                else:
                    yield [(row, column, v * u) for row, v in rows for column, u in columns_near]

    def parts(self, image: HostArray, roi: HostArray, i: int, j: int) -> list[Part] | None:
        """Return what a bin of one channel (H, W) is made of, or None for nothing."""
        found = list(self.candidates(roi, i, j))
        inside = [one for one in found if one is not None]
        if self.family is RoiAverage:
            return [(row, column, weight / len(found)) for one in inside for row, column, weight in one]
        if not inside:
            return None
        return max(inside, key=lambda one: sum(weight * image[row, column] for row, column, weight in one))

    def bins(self, x: HostArray, rois: HostArray, image: HostArray) -> Iterator[tuple[Any, Any, list[Part] | None]]:
        """Yield each output's index, the index of its channel, and its parts."""
        for r, c, i, j in np.ndindex(*self.y):
            yield (r, c, i, j), (image[r], c), self.parts(x[image[r], c], rois[r], i, j)

    def forward(self, x: HostArray, rois: HostArray, image: HostArray, **_: Any) -> HostArray:
        """Return y."""
        y = np.full(self.y, 0.0 if self.fast_rcnn or self.family is RoiAverage else -np.inf)
        for place, channel, parts in self.bins(x, rois, image):
            if parts is not None:
                y[place] = sum(weight * x[(*channel, row, column)] for row, column, weight in parts)
        return y

    def gather(self, x: HostArray, rois: HostArray, image: HostArray, other: HostArray) -> HostArray:
        """Return another x where forward looked."""
        y = np.zeros(self.y)
        for place, channel, parts in self.bins(x, rois, image):
            y[place] = sum(weight * other[(*channel, row, column)] for row, column, weight in parts or ())
        return y

    def grad_input(self, x: HostArray, rois: HostArray, image: HostArray, gy: HostArray) -> HostArray:
        """Return the gradient of x."""
        gx = np.zeros(self.x)
        for place, channel, parts in self.bins(x, rois, image):
            for row, column, weight in parts or ():
                gx[(*channel, row, column)] += weight * gy[place]
        return gx


def _given(values: HostArray) -> Draw:
    return lambda _, __: values


QUICK: Final = frozenset({"pixels", "fast-rcnn", "points-2-by-3", "points-of-no-roi"})

REGIONS: Final[tuple[Region, ...]] = (
    Region("pixels", RoiAverage, (3, 2)),
    Region("pixels-scaled", RoiAverage, (2, 3), scale=0.5),
    Region("pixels-one-bin", RoiAverage, (1, 1)),
    Region("pixels-small-bins", RoiAverage, (7, 5)),
    Region("points-1", RoiAverage, (3, 2), samples=(1, 1)),
    Region("points-2-by-3", RoiAverage, (2, 2), scale=0.5, samples=(2, 3)),
    Region("points-adaptive", RoiAverage, (2, 3), samples=(None, None)),
    Region("points-half-adaptive", RoiAverage, (4, 1), scale=0.25, samples=(None, 2)),
    Region("points-of-no-roi", RoiAverage, (2, 2), samples=(None, None), rois=()),
    Region("pixels", RoiMax, (3, 2)),
    Region("pixels-scaled", RoiMax, (2, 3), scale=0.5),
    Region("pixels-one-bin", RoiMax, (1, 1)),
    Region("pixels-small-bins", RoiMax, (7, 5)),
    Region("pixels-of-no-roi", RoiMax, (2, 2), rois=()),
    Region("fast-rcnn", RoiMax, (3, 2), fast_rcnn=True),
    Region("fast-rcnn-scaled", RoiMax, (2, 2), scale=0.5, fast_rcnn=True),
    Region("points-1", RoiMax, (3, 2), samples=(1, 1)),
    Region("points-2-by-3", RoiMax, (2, 2), scale=0.5, samples=(2, 3)),
    Region("points-adaptive", RoiMax, (2, 3), samples=(None, None)),
    Region("points-half-adaptive", RoiMax, (4, 1), scale=0.25, samples=(None, 2)),
    Region("points-of-no-roi", RoiMax, (2, 2), samples=(None, None), rois=()),
)


def _family_cases(one: Region) -> list[FamilyCase]:
    common: dict[str, Any] = {"target": one.family, "label": one.label, "problem": one.problem, "dtypes": WIDE}
    common["quick"] = one.label in QUICK
    return [
        FamilyCase(
            **common,
            step="forward",
            inputs=one.inputs,
            oracle=one.forward,
            use=lambda plan, *arrays: plan.forward(*arrays)[0],
        ),
        FamilyCase(
            **common,
            step="grad_input",
            inputs=(*one.inputs, Input(one.y)),
            oracle=one.grad_input,
            use=lambda plan, x, rois, image, gy: plan.grad_input(plan.forward(x, rois, image)[1], gy),
        ),
        FamilyCase(
            **common,
            step="gather",
            inputs=(*one.inputs, Input(one.x)),
            oracle=one.gather,
            use=lambda plan, x, rois, image, other: plan.gather(plan.forward(x, rois, image)[1], other),
        ),
    ]


KERNELS: Final[tuple[FamilyCase, ...]] = tuple(case for one in REGIONS for case in _family_cases(one))


def _function_case(target: Callable[..., Any], one: Region, **arguments: Any) -> FunctionCase:
    return FunctionCase(
        target=target,
        label=one.label,
        inputs=one.inputs,
        oracle=one.forward,
        arguments={"outsize": one.out, "spatial_scale": one.scale, **arguments},
        constants=(1,),
    )


def fast_rcnn(x: Any, rois: Any, image: Any, outsize: Shape, spatial_scale: float) -> Any:
    """Call `F.roi_pooling_2d`, which takes RoIs in an order of its own."""
    xp = x.xp
    top, left, bottom, right = (rois.array[:, place] for place in range(4))
    five = xp.stack([xp.astype(image.array, top.dtype), left, top, right, bottom], axis=1)
    outh, outw = outsize
    return F.roi_pooling_2d(x, five, outh, outw, spatial_scale)


FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    _function_case(F.roi_average_pooling_2d, Region("all", RoiAverage, (3, 2), scale=0.5)),
    _function_case(F.roi_max_pooling_2d, Region("inside", RoiMax, (3, 2), scale=0.5, rois=INSIDE)),
    _function_case(fast_rcnn, Region("all", RoiMax, (3, 2), scale=0.5, fast_rcnn=True)),
    _function_case(F.roi_average_align_2d, Region("adaptive", RoiAverage, (2, 2), samples=(None, None))),
    _function_case(F.roi_average_align_2d, Region("given", RoiAverage, (2, 2), samples=(2, 1)), sampling_ratio=(2, 1)),
    _function_case(F.roi_max_align_2d, Region("adaptive", RoiMax, (2, 2), samples=(None, None), rois=INSIDE)),
    _function_case(F.roi_max_align_2d, Region("given", RoiMax, (2, 2), samples=(2, 2), rois=INSIDE), sampling_ratio=2),
)
