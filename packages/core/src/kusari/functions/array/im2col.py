"""Unfolding images into columns."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType
from kusari.functions.arguments import per_axis
from kusari.kernels import im2col as kernels
from kusari.kernels.window import Window


class Im2Col(FunctionNode):
    """What a sliding window sees, as channels."""

    def __init__(self, window: Window, cover_all: bool) -> None:
        self.window = window
        self.cover_all = cover_all

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        expect(in_types[0].ndim == 4)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        problem = kernels.Im2ColProblem(x.shape, self.window, self.backend.host_dtype(x.dtype), self.cover_all)
        if min(problem.out_shape) < 1:
            raise InvalidType("a window that fits into the padded image", f"image {x.shape[2:]}, {self.window}")
        self.plan = kernels.Im2Col.plan(self.backend, problem)
        return (self.plan.forward(x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Im2ColGrad(self).apply(grad_outputs)[0],)


class Im2ColGrad(FunctionNode):
    """Columns folded back into an image: pixels that several windows saw add up."""

    def __init__(self, unfolding: Im2Col) -> None:
        self.unfolding = unfolding

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.unfolding.plan.grad_input(inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Im2Col(self.unfolding.window, self.unfolding.cover_all).apply(grad_outputs)[0],)


def im2col(
    x: VariableLike,
    ksize: int | tuple[int, int],
    stride: int | tuple[int, int] = 1,
    pad: int | tuple[int, int] = 0,
    cover_all: bool = False,
    dilate: int | tuple[int, int] = 1,
) -> Variable:
    """Unfold images into the columns that a sliding window sees.

    y[n, c kh kw + i kw + j, h, w] = x[n, c, sh + di − p, sw + dj − p], and 0 outside the image, for stride s,
    dilation d and padding p.

    Args:
        x: (N, C, H, W), floating.
        ksize: The window's size (kh, kw); one number or one per axis. Likewise ``stride``, ``pad`` and ``dilate``.
        stride: Steps between windows.
        pad: A border of zeros.
        cover_all: Let the last window hang over the edge, so that every pixel is seen.
        dilate: Steps between the places in a window.

    Returns:
        (N, C kh kw, H', W').

    Raises:
        InvalidType: Another rank or dtype, or a window that does not fit.
        ValueError: A window argument of another length, or out of range.

    >>> im2col(np.arange(6.0).reshape(1, 1, 2, 3), (2, 2)).array.reshape(4, 2)
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """
    window = Window(
        per_axis("ksize", ksize, 2, at_least=1),
        per_axis("stride", stride, 2, at_least=1),
        per_axis("pad", pad, 2, at_least=0),
        per_axis("dilate", dilate, 2, at_least=1),
    )
    return Im2Col(window, cover_all).apply((x,))[0]
