"""2-D convolution whose filters differ from place to place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import Variable, as_variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import like, per_axis
from kusari.functions.connection.convolution_nd import (
    ConvolutionGradInput,
    ConvolutionGradWeight,
    ConvolutionND,
    ConvolutionStep,
)
from kusari.kernels.local_conv import LocalConvolution, LocalConvolutionProblem
from kusari.kernels.window import Window, get_conv_outsize
from kusari.types import Shape


class LocalConvolutionStep(ConvolutionStep):
    """What the three nodes share: the plan."""

    def plan_for(self, x: Shape, W: Shape, dtype: Any, strides: Shape | None = None, bias: bool = False) -> Any:
        """Return the plan of the convolution that this node is, or is a gradient of."""
        problem = LocalConvolutionProblem(x, W, self.window, self.backend.host_dtype(dtype))
        return LocalConvolution.plan(self.backend, problem)


class LocalConvolution2DFunction(LocalConvolutionStep, ConvolutionND):
    """y = x ⋆ W + b, with filters and biases of its own at each place."""

    def check_type_forward(self, in_types: Any) -> None:
        names = ("x", "W", "b")[: len(in_types)] if len(in_types) in (2, 3) else ("x", "W")
        expect_floating(in_types, names)
        x, W = in_types[0], in_types[1]
        expect(x.ndim == 4, W.ndim == 6)
        expect(x.shape[1] == W.shape[3])
        for axis, (k, s) in enumerate(zip(self.window.size, self.window.stride, strict=True)):
            places = get_conv_outsize(x.shape[2 + axis], k, s, 0)
            expect(W.shape[1 + axis] == places, W.shape[1 + axis] > 0)
        if len(in_types) == 3:
            expect(in_types[2].ndim == 3, in_types[2].shape == W.shape[:3])

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        x, W = inputs[:2]
        self.retain_inputs((0, 1))
        y = self.plan_for(x.shape, W.shape, x.dtype).forward(x, W)
        return (y if len(inputs) == 2 else y + inputs[2],)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (gy,), (x, W) = grad_outputs, self.get_retained_inputs()
        made = {
            0: lambda: self.grad_input(gy, W, x.shape),
            1: lambda: self.grad_weight(x, gy, W.shape),
            2: lambda: gy.sum(axis=0),
        }
        return tuple([made[index]() for index in indexes])


class LocalConvolution2DGradX(LocalConvolutionStep, ConvolutionGradInput):
    """The gradient of x, from gy and W."""

    def check_type_forward(self, in_types: Any) -> None:
        """Check nothing: both come from a forward that was checked."""


class LocalConvolution2DGradW(LocalConvolutionStep, ConvolutionGradWeight):
    """The gradient of W, from x and gy."""


LocalConvolutionStep.forward_node = LocalConvolution2DFunction
LocalConvolutionStep.grad_input_node = LocalConvolution2DGradX
LocalConvolutionStep.grad_weight_node = LocalConvolution2DGradW


def local_convolution_2d(
    x: VariableLike, W: VariableLike, b: VariableLike | None = None, stride: int | Sequence[int] = 1
) -> Variable:
    """Convolve images with filters that differ from place to place.

    y[n, o, i, j] = b[o, i, j] + Σ_{c, k, l} x[n, c, i·s + k, j·s + l] W[o, i, j, c, k, l].

    Args:
        x: (N, C, H, W).
        W: (O, H', W', C, kh, kw), H' = ⌊(H − kh) / stride⌋ + 1.
        b: (O, H', W'), or None.
        stride: Steps between windows; one number or (vertical, horizontal).

    Returns:
        (N, O, H', W').

    Raises:
        InvalidType: Ranks, shapes or dtypes that do not fit.
        ValueError: A stride of another length, or below 1.

    Source: LeCun, 1989, "Generalization and network design strategies".

    >>> W = np.asarray([1.0, 10.0], "f").reshape(1, 1, 2, 1, 1, 1)
    >>> local_convolution_2d(np.ones((1, 1, 1, 2), "f"), W).array
    array([[[[ 1., 10.]]]], dtype=float32)
    """
    x, W = as_variable(x), as_variable(W)
    window = Window(W.shape[-2:], per_axis("stride", stride, 2, at_least=1), (0, 0), (1, 1))
    inputs = [x, *(like(x, parameter) for parameter in (W, b) if parameter is not None)]
    return LocalConvolution2DFunction(window).apply(tuple(inputs))[0]
