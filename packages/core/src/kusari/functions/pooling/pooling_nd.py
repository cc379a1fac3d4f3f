"""What max and average pooling share: arguments, checks and the Problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import FunctionNode
from kusari.autograd.type_check import expect, expect_floating
from kusari.errors import InvalidType
from kusari.functions.arguments import per_axis
from kusari.kernels.pooling import PoolingProblem
from kusari.kernels.window import Window
from kusari.types import Array, Shape


class PoolingStep(FunctionNode):
    """A node over the windows of an image."""

    def __init__(self, window: Window, cover_all: bool = False, count_border: bool = True) -> None:
        self.window = window
        self.cover_all = cover_all
        self.count_border = count_border

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        expect(in_types[0].ndim == len(self.window.size) + 2)

    def problem_for(self, shape: Shape, array: Array, strides: Shape | None = None) -> PoolingProblem:
        """Return the Problem of pooling an image of ``shape`` in ``array``'s dtype."""
        dtype = self.backend.host_dtype(array.dtype)
        problem = PoolingProblem(shape, self.window, dtype, strides, self.cover_all, self.count_border)
        if min(problem.out_shape, default=1) < 1:
            raise InvalidType(
                "a window that fits into the padded image",
                f"image {shape[2:]}, {self.window}: the output would be {problem.out_shape}",
            )
        return problem


def make_window(
    ndim: int, ksize: int | Sequence[int], stride: int | Sequence[int] | None, pad: int | Sequence[int]
) -> Window:
    """Return the window of arguments of one number or one per axis; a stride of None is the window's size."""
    if ndim < 1:
        raise ValueError("pooling: x has no spatial axes; expected (N, C, *spatial)")
    size = per_axis("ksize", ksize, ndim, at_least=1)
    steps = size if stride is None else per_axis("stride", stride, ndim, at_least=1)
    return Window(size, steps, per_axis("pad", pad, ndim, at_least=0), (1,) * ndim)
