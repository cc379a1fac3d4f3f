"""Images unfolded into columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.im2col import Im2Col, Im2ColProblem
from kusari.kernels.window import Window
from kusari.types import Shape
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.cases.window import bordered, out_shape, places, unbordered, window
from kusari_testkit.draw import HostArray


@dataclass(frozen=True)
class Unfolding:
    """An unfolding without its numbers."""

    label: str
    x: Shape
    size: Shape
    stride: int | Shape = 1
    pad: int | Shape = 0
    dilate: int | Shape = 1
    cover_all: bool = False

    @property
    def window(self) -> Window:
        """The sliding window."""
        return window(self.size, self.stride, self.pad, self.dilate)

    @property
    def y(self) -> Shape:
        """(N, CK, *out)."""
        places_seen = int(np.prod(self.size))
        return (self.x[0], self.x[1] * places_seen, *out_shape(self.x[2:], self.window, self.cover_all))

    def problem(self, dtype: Any) -> Im2ColProblem:
        """Return the Problem in a dtype of the host."""
        return Im2ColProblem(self.x, self.window, dtype, self.cover_all)

    def unfolded(self, x: HostArray, **_: Any) -> HostArray:
        """Return what each window sees, one by one."""
        y = np.zeros(self.y)
        image = bordered(x, self.window)
        for place in places(self.x[2:], self.window, self.cover_all):
            y[place.pixel()] = image[place.view()].reshape(self.y[:2])
        return y

    def folded(self, gy: HostArray) -> HostArray:
        """Return each pixel's share of what the windows got."""
        gx = bordered(np.zeros(self.x), self.window)
        for place in places(self.x[2:], self.window, self.cover_all):
            gx[place.view()] += gy[place.pixel()].reshape(*self.x[:2], *self.size)
        return unbordered(gx, self.window)


UNFOLDINGS: Final[tuple[Unfolding, ...]] = (
    Unfolding("image", (2, 3, 5, 4), (3, 2)),
    Unfolding("stride-pad", (1, 2, 6, 5), (3, 3), stride=2, pad=1),
    Unfolding("dilate", (1, 2, 6, 7), (2, 3), stride=(2, 1), pad=(0, 1), dilate=2),
    Unfolding("cover-all", (1, 2, 6, 5), (2, 3), stride=(3, 2), cover_all=True),
    Unfolding("pixel", (2, 3, 2, 2), (1, 1)),
    Unfolding("empty", (0, 3, 4, 4), (2, 2)),
)

KERNELS: Final[tuple[FamilyCase, ...]] = tuple(
    FamilyCase(
        target=Im2Col,
        label=one.label,
        problem=one.problem,
        step=step,
        inputs=(Input(shape),),
        oracle=oracle,
        use=use,
    )
    for one in (*UNFOLDINGS, Unfolding("1d", (2, 3, 7), (3,), stride=2, pad=1))
    for step, shape, oracle, use in (
        ("forward", one.x, one.unfolded, lambda plan, x: plan.forward(x)),
        ("grad_input", one.y, one.folded, lambda plan, gy: plan.grad_input(gy)),
    )
)

FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(
    FunctionCase(
        target=F.im2col,
        label=one.label,
        inputs=(Input(one.x),),
        oracle=one.unfolded,
        arguments={
            "ksize": one.size,
            "stride": one.stride,
            "pad": one.pad,
            "cover_all": one.cover_all,
            "dilate": one.dilate,
        },
    )
    for one in UNFOLDINGS
)
