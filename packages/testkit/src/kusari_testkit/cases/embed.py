"""Rows of a table, looked up by number."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.embed import embed, embed_grad
from kusari.types import Shape
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.draw import Draw, HostArray, integers, repeated


def _rows(x: HostArray, W: HostArray, ignore_label: int | None = None) -> HostArray:
    """Pick row by row."""
    y = np.zeros((*x.shape, W.shape[1]))
    for place in np.ndindex(x.shape):
        if x[place] != ignore_label:
            y[place] = W[x[place]]
    return y


def _sums(x: HostArray, gy: HostArray, length: int, ignore_label: int | None) -> HostArray:
    """Add up place by place."""
    gW = np.zeros((length, gy.shape[-1]))
    for place in np.ndindex(x.shape):
        if x[place] != ignore_label:
            gW[x[place]] += gy[place]
    return gW


class _Use:
    """A look-up without its numbers."""

    def __init__(self, label: str, x: Shape, W: Shape, numbers: Draw, ignore_label: int | None = None) -> None:
        self.label = label
        self.x = Input(x, numbers, "int32")
        self.W = W
        self.gy = (*x, W[1])
        self.arguments: dict[str, Any] = {"ignore_label": ignore_label}

    def kernels(self) -> list[Case]:
        """Return the cases of both kernels."""
        return [
            Case(
                target=embed,
                label=self.label,
                inputs=(self.x, Input(self.W)),
                oracle=_rows,
                arguments=self.arguments,
                parameters=(1,),
            ),
            Case(
                target=embed_grad,
                label=self.label,
                inputs=(self.x, Input(self.gy)),
                oracle=_sums,
                arguments={"length": self.W[0], **self.arguments},
            ),
        ]

    def function(self) -> FunctionCase:
        """Return the case of the function."""
        inputs = (self.x, Input(self.W))
        return FunctionCase(target=F.embed_id, label=self.label, inputs=inputs, oracle=_rows, arguments=self.arguments)


USES: Final = (
    _Use("vector", (5,), (4, 3), integers(0, 4)),
    _Use("matrix", (3, 4), (7, 2), integers(0, 7)),
    _Use("one", (1,), (1, 1), integers(0, 1)),
    _Use("no-place", (0, 2), (3, 2), integers(0, 3)),
    _Use("one-row-often", (9,), (4, 2), repeated(2)),
    _Use("ignore", (3, 4), (5, 2), integers(-1, 5), ignore_label=-1),
    _Use("ignore-a-row", (8,), (3, 2), integers(0, 3), ignore_label=1),
    _Use("ignore-beyond", (6,), (3, 2), repeated(0, 255, 2), ignore_label=255),
    _Use("from-the-end", (4,), (3, 2), repeated(-1, 0, -3, 2)),
)
KERNELS: Final[tuple[Case, ...]] = tuple(case for use in USES for case in use.kernels())
FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(use.function() for use in USES)
