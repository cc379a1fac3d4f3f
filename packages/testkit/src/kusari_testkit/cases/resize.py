"""Images resized."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.resize import Resize, ResizeProblem
from kusari.types import Shape
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.draw import HostArray


@dataclass(frozen=True)
class Resizing:
    """A resizing without its numbers."""

    label: str
    x: Shape
    out: Shape
    mode: str = "bilinear"
    align_corners: bool = True

    def problem(self, dtype: Any) -> ResizeProblem:
        """Return the Problem in a dtype of the host."""
        return ResizeProblem(self.x, self.out, dtype, self.mode, self.align_corners)

    def weights(self, axis: int) -> HostArray:
        """Return how much each pixel along a spatial axis gives to each new one: (out, in)."""
        length, out = self.x[axis + 2], self.out[axis]
        if self.mode == "nearest":
            return np.asarray([[float(math.floor(i * length / out) == j) for j in range(length)] for i in range(out)])
        made = np.zeros((out, length))
        for i in range(out):
            if self.align_corners:
                position = i * (length - 1) / (out - 1) if out > 1 else 0.0
            else:
                position = float(np.clip((i + 0.5) * length / out - 0.5, 0, length - 1))
            made[i] = [max(0.0, 1 - abs(position - j)) for j in range(length)]
        return made

    def resized(self, x: HostArray, **_: Any) -> HostArray:
        """Return the image, as products with the weights."""
        return np.einsum("ncij,hi,wj->nchw", x, self.weights(0), self.weights(1))

    def given_back(self, gy: HostArray) -> HostArray:
        """Return the gradient, as products with the weights the other way round."""
        return np.einsum("nchw,hi,wj->ncij", gy, self.weights(0), self.weights(1))


RESIZINGS: Final[tuple[Resizing, ...]] = tuple(
    Resizing(f"{label}-{mode}{'' if align else '-edges'}", x, out, mode, align)
    for label, x, out in (
        ("up", (2, 3, 2, 3), (5, 4)),
        ("down", (1, 2, 7, 9), (3, 4)),
        ("pixel", (1, 2, 1, 1), (3, 2)),
        ("to-pixel", (1, 2, 3, 4), (1, 1)),
        ("same", (1, 2, 3, 2), (3, 2)),
        ("empty", (0, 2, 3, 2), (2, 2)),
    )
    for mode, align in (("bilinear", True), ("bilinear", False), ("nearest", True))
)

KERNELS: Final[tuple[FamilyCase, ...]] = tuple(
    FamilyCase(
        target=Resize,
        label=one.label,
        problem=one.problem,
        step=step,
        inputs=(Input(shape),),
        oracle=oracle,
        use=use,
    )
    for one in RESIZINGS
    for step, shape, oracle, use in (
        ("forward", one.x, one.resized, lambda plan, x: plan.forward(x)),
        ("grad_input", (*one.x[:2], *one.out), one.given_back, lambda plan, gy: plan.grad_input(gy)),
    )
)

FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(
    FunctionCase(
        target=F.resize_images,
        label=one.label,
        inputs=(Input(one.x),),
        oracle=one.resized,
        arguments={"output_shape": one.out, "mode": one.mode, "align_corners": one.align_corners},
    )
    for one in RESIZINGS
)
