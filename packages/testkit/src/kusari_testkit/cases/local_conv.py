"""Convolution whose filters differ from place to place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.local_conv import LocalConvolution, LocalConvolutionProblem
from kusari.kernels.window import Window
from kusari.types import Shape
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.cases.window import per_axis, window
from kusari_testkit.draw import HostArray, small


@dataclass(frozen=True)
class Local:
    """A local convolution without its numbers."""

    label: str
    x: Shape
    W: Shape
    stride: int | Shape = 1

    @property
    def window(self) -> Window:
        """The sliding window."""
        return window(self.W[4:], self.stride)

    @property
    def y(self) -> Shape:
        """(N, O, H', W')."""
        return (self.x[0], *self.W[:3])

    def problem(self, dtype: Any) -> LocalConvolutionProblem:
        """Return the family's Problem in a dtype of the host."""
        return LocalConvolutionProblem(self.x, self.W, self.window, dtype)

    def seen(self, i: int, j: int) -> Any:
        """Return the index of what the filters at (i, j) see."""
        (s, t), (k, q) = per_axis(self.stride, 2), self.W[4:]
        return (slice(None), slice(None), slice(i * s, i * s + k), slice(j * t, j * t + q))

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None = None, **_: Any) -> HostArray:
        """Return y, place by place."""
        y = np.zeros(self.y)
        for i, j in np.ndindex(self.W[1:3]):
            y[:, :, i, j] = np.einsum("nckl,ockl->no", x[self.seen(i, j)], W[:, i, j])
        return y if b is None else y + b

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:
        """Return the gradient of x, place by place."""
        gx = np.zeros(self.x)
        for i, j in np.ndindex(self.W[1:3]):
            gx[self.seen(i, j)] += np.einsum("no,ockl->nckl", gy[:, :, i, j], W[:, i, j])
        return gx

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:
        """Return the gradient of W, place by place."""
        gW = np.zeros(self.W)
        for i, j in np.ndindex(self.W[1:3]):
            gW[:, i, j] = np.einsum("no,nckl->ockl", gy[:, :, i, j], x[self.seen(i, j)])
        return gW

    def kernels(self) -> list[FamilyCase]:
        """Return the cases of the family."""
        x, W, gy = Input(self.x), Input(self.W, small), Input(self.y)
        common: dict[str, Any] = {"target": LocalConvolution, "label": self.label, "problem": self.problem}
        return [
            FamilyCase(
                **common,
                step="forward",
                inputs=(x, W),
                oracle=self.forward,
                use=lambda plan, x, W: plan.forward(x, W),
                parameters=(1,),
            ),
            FamilyCase(
                **common,
                step="grad_input",
                inputs=(W, gy),
                oracle=self.grad_input,
                use=lambda plan, W, gy: plan.grad_input(W, gy),
                parameters=(0,),
            ),
            FamilyCase(
                **common,
                step="grad_weight",
                inputs=(x, gy),
                oracle=self.grad_weight,
                use=lambda plan, x, gy: plan.grad_weight(x, gy),
            ),
        ]

    def function(self, bias: bool = True) -> FunctionCase:
        """Return the case of the function."""
        return FunctionCase(
            target=F.local_convolution_2d,
            label=self.label if bias else f"{self.label}-no-bias",
            inputs=(Input(self.x), Input(self.W, small), *([Input(self.W[:3])] if bias else [])),
            oracle=self.forward,
            arguments={"stride": self.stride},
        )


LOCALS: Final = (
    Local("image", (2, 3, 4, 5), (2, 3, 3, 3, 2, 3)),
    Local("stride", (2, 2, 6, 5), (3, 2, 4, 2, 3, 2), stride=(2, 1)),
    Local("unread-edge", (1, 2, 4, 6), (2, 2, 3, 2, 1, 2), stride=2),
    Local("pointwise", (3, 2, 2, 3), (4, 2, 3, 2, 1, 1)),
    Local("one-place", (2, 2, 3, 2), (3, 1, 1, 2, 3, 2)),
    Local("empty", (0, 2, 3, 3), (2, 2, 2, 2, 2, 2)),
)
KERNELS: Final[tuple[FamilyCase, ...]] = tuple(case for local in LOCALS for case in local.kernels())
FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *(local.function() for local in LOCALS),
    LOCALS[0].function(bias=False),
)
