"""Max and average pooling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.pooling import AveragePooling, MaxPooling, PoolingProblem
from kusari.kernels.window import Window
from kusari.types import Shape
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.cases.window import bordered, out_shape, places, unbordered, window
from kusari_testkit.draw import Draw, HostArray, distinct, normal, repeated


@dataclass(frozen=True)
class Pool:
    """A pooling without its numbers."""

    label: str
    x: Shape
    size: Shape
    stride: int | Shape
    pad: int | Shape = 0
    cover_all: bool = False

    @property
    def window(self) -> Window:
        """The sliding window."""
        return window(self.size, self.stride, self.pad)

    @property
    def y(self) -> Shape:
        """(N, C, *out)."""
        return (*self.x[:2], *out_shape(self.x[2:], self.window, self.cover_all))

    @property
    def pixels(self) -> int:
        """How many pixels a window has."""
        return math.prod(self.size)

    def problem(self, dtype: Any, count_border: bool = True) -> PoolingProblem:
        """Return the Problem in a dtype of the host."""
        return PoolingProblem(self.x, self.window, dtype, cover_all=self.cover_all, count_border=count_border)

    # The oracle: output pixels one by one. --------------------------------------------------------------------------

    def maximum(self, x: HostArray) -> tuple[HostArray, HostArray]:
        """Return the largest value in each window, and its place; NumPy's argmax takes the first, and any NaN."""
        y, where = np.zeros(self.y), np.zeros(self.y, np.int32)
        image = bordered(x, self.window, -np.inf)
        for place in places(self.x[2:], self.window, self.cover_all):
            seen = image[place.view()].reshape(*self.x[:2], self.pixels)
            where[place.pixel()] = np.argmax(seen, axis=-1)
            y[place.pixel()] = np.max(seen, axis=-1)
        return y, where

    def maximum_grad(self, where: HostArray, gy: HostArray) -> HostArray:
        """Return each gradient at the place that it came from."""
        gx = bordered(np.zeros(self.x), self.window)
        for place in places(self.x[2:], self.window, self.cover_all):
            chosen = where[place.pixel()][..., None] == np.arange(self.pixels)
            share = (chosen * gy[place.pixel()][..., None]).reshape(*self.x[:2], *self.size)
            gx[place.view()] += share
        return unbordered(gx, self.window)

    def gathered(self, where: HostArray, x: HostArray) -> HostArray:
        """Return x at the chosen places."""
        y = np.zeros(self.y)
        image = bordered(x, self.window)
        for place in places(self.x[2:], self.window, self.cover_all):
            seen = image[place.view()].reshape(*self.x[:2], self.pixels)
            y[place.pixel()] = np.take_along_axis(seen, where[place.pixel()][..., None], axis=-1)[..., 0]
        return y

    def counts(self, count_border: bool) -> HostArray:
        """Return over how many pixels each window's mean is."""
        if count_border:
            return np.full(self.y[2:], float(self.pixels))
        made = np.zeros(self.y[2:])
        ones = bordered(np.ones((1, 1, *self.x[2:])), self.window)
        for place in places(self.x[2:], self.window, self.cover_all):
            made[place.out] = max(1, np.sum(ones[place.view()]))
        return made

    def average(self, x: HostArray, count_border: bool) -> HostArray:
        """Return the mean over each window."""
        return self.total(x) / self.counts(count_border)

    def average_grad(self, gy: HostArray, count_border: bool) -> HostArray:
        """Return each gradient, spread evenly over its window."""
        gx = bordered(np.zeros(self.x), self.window)
        share = gy / self.counts(count_border)
        for place in places(self.x[2:], self.window, self.cover_all):
            gx[place.view()] += share[place.pixel()].reshape(*self.x[:2], *(1 for _ in self.size))
        return unbordered(gx, self.window)

    def spread(self, x: HostArray) -> HostArray:
        """Return each value added to all pixels of its window."""
        y = bordered(np.zeros(self.x), self.window)
        for place in places(self.x[2:], self.window, self.cover_all):
            y[place.view()] += x[place.pixel()].reshape(*self.x[:2], *(1 for _ in self.size))
        return unbordered(y, self.window)

    def total(self, x: HostArray) -> HostArray:
        """Return the sum over each window."""
        made = np.zeros(self.y)
        image = bordered(x, self.window)
        for place in places(self.x[2:], self.window, self.cover_all):
            made[place.pixel()] = np.sum(image[place.view()], axis=tuple(range(2, x.ndim)))
        return made


QUICK: Final = frozenset({"image", "overlapping", "unequal", "cover-all-pad", "empty", "1d", "3d"})

POOLS: Final[tuple[Pool, ...]] = (
    Pool("image", (2, 3, 6, 4), (2, 2), 2),
    Pool("overlapping", (2, 3, 7, 6), (3, 3), 2),
    Pool("stride-1", (1, 2, 5, 6), (3, 2), 1),
    Pool("pad", (2, 3, 5, 6), (3, 3), 2, pad=1),
    Pool("unequal", (1, 2, 7, 8), (2, 3), (1, 2), pad=(0, 1)),
    Pool("cover-all", (2, 3, 7, 5), (2, 2), 2, cover_all=True),
    Pool("cover-all-pad", (1, 2, 8, 7), (3, 3), 2, pad=1, cover_all=True),
    Pool("cover-all-border", (1, 2, 8, 7), (3, 3), 3, pad=1, cover_all=True),  # the last window sees no pixel: −∞
    Pool("unread-edge", (1, 2, 7, 5), (2, 2), 2),
    Pool("stride-beyond-window", (1, 2, 8, 7), (2, 2), 3),
    Pool("global", (2, 5, 4, 3), (4, 3), 1),
    Pool("pointwise", (2, 3, 4, 3), (1, 1), 1),
    Pool("one-pixel", (2, 3, 1, 1), (1, 1), 1),
    Pool("empty", (0, 3, 4, 4), (2, 2), 2),
    Pool("1d", (2, 3, 9), (3,), 2),
    Pool("3d", (1, 2, 4, 5, 4), (2, 2, 2), 2, cover_all=True),
    Pool("channels-17", (2, 17, 6, 6), (2, 2), 2),
)


def draw_places(pool: Pool) -> Draw:
    """Draw places that lie in the image, as forward would choose them."""

    def draw(generator: np.random.Generator, shape: Shape) -> HostArray:
        return pool.maximum(distinct(generator, pool.x))[1]

    return draw


def _max_cases(pool: Pool) -> list[FamilyCase]:
    common: dict[str, Any] = {
        "target": MaxPooling,
        "label": pool.label,
        "problem": pool.problem,
        "quick": pool.label in QUICK,
    }
    where = Input(pool.y, draw_places(pool), "int32")
    return [
        FamilyCase(
            **common,
            step="forward",
            inputs=(Input(pool.x, distinct),),
            oracle=pool.maximum,
            use=lambda plan, x: plan.forward(x),
        ),
        FamilyCase(
            **common,
            step="grad_input",
            inputs=(where, Input(pool.y)),
            oracle=pool.maximum_grad,
            use=lambda plan, where, gy: plan.grad_input(where, gy),
        ),
        FamilyCase(
            **common,
            step="gather",
            inputs=(where, Input(pool.x)),
            oracle=pool.gathered,
            use=lambda plan, where, x: plan.gather(where, x),
        ),
    ]


def _special_max_cases() -> list[FamilyCase]:
    pool = Pool("", (1, 1, 4, 6), (2, 2), 2)
    draws = {
        "ties": repeated(1.0, 1.0, 0.0),
        "all-equal": repeated(-3.0),
        "nan": repeated(1.0, np.nan, 2.0, 0.0, 5.0),
        "infinities": repeated(-np.inf, 1.0, np.inf, -np.inf, -np.inf),
        "all-minus-infinity": repeated(-np.inf),
    }
    return [
        FamilyCase(
            target=MaxPooling,
            label=label,
            step="forward",
            problem=pool.problem,
            inputs=(Input(pool.x, draw),),
            oracle=pool.maximum,
            use=lambda plan, x: plan.forward(x),
        )
        for label, draw in draws.items()
    ]


def _average_cases(pool: Pool, count_border: bool, draw: Draw = normal, label: str = "") -> list[FamilyCase]:
    common: dict[str, Any] = {
        "target": AveragePooling,
        "label": label or pool.label + ("" if count_border else "-inside"),
        "problem": lambda dtype: pool.problem(dtype, count_border),
        "quick": pool.label in QUICK,
    }
    return [
        FamilyCase(
            **common,
            step="forward",
            inputs=(Input(pool.x, draw),),
            oracle=lambda x: pool.average(x, count_border),
            use=lambda plan, x: plan.forward(x),
        ),
        FamilyCase(
            **common,
            step="grad_input",
            inputs=(Input(pool.y, draw),),
            oracle=lambda gy: pool.average_grad(gy, count_border),
            use=lambda plan, gy: plan.grad_input(gy),
        ),
    ]


KERNELS: Final[tuple[FamilyCase, ...]] = (
    *(case for pool in POOLS for case in _max_cases(pool)),
    *_special_max_cases(),
    *(case for pool in POOLS for case in _average_cases(pool, True)),
    *(case for pool in POOLS if pool.pad != 0 or pool.cover_all for case in _average_cases(pool, False)),
    *_average_cases(POOLS[0], True, repeated(1.0, np.nan, 2.0, np.inf, 0.5), "nan-inf"),
)


def _functions(pool: Pool) -> list[FunctionCase]:
    images = len(pool.x) == 4
    arguments: dict[str, Any] = {"ksize": pool.size, "stride": pool.stride, "pad": pool.pad}
    made = [
        FunctionCase(
            target=F.max_pooling_2d if images else F.max_pooling_nd,
            label=pool.label,
            quick=pool.label in QUICK,
            inputs=(Input(pool.x, distinct),),
            oracle=lambda x, **_: pool.maximum(x)[0],
            arguments={**arguments, "cover_all": pool.cover_all},
        )
    ]
    if not pool.cover_all:
        made.append(
            FunctionCase(
                target=F.average_pooling_2d if images else F.average_pooling_nd,
                label=pool.label,
                quick=pool.label in QUICK,
                inputs=(Input(pool.x),),
                oracle=lambda x, **_: pool.average(x, True),
                arguments=arguments,
            )
        )
        made.append(
            FunctionCase(
                target=F.average_pooling_nd,
                label=f"{pool.label}-inside",
                quick=pool.label in QUICK,
                inputs=(Input(pool.x),),
                oracle=lambda x, **_: pool.average(x, False),
                arguments={**arguments, "pad_value": None},
            )
        )
    return made


FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(
    case for pool in POOLS if pool.label != "cover-all-border" for case in _functions(pool)
)
