"""Convolution over any number of spatial axes, and the nodes of its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import config, current_state
from kusari.errors import InvalidType
from kusari.functions.arguments import like, per_axis, require_spatial_axes
from kusari.functions.fused import ActivationLike, activation_gradient, split_activation
from kusari.kernels.activation import Activation
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari.types import Array, Shape


class ConvolutionStep(FunctionNode):
    """What the three nodes share: y is linear in x and in W, and so is each gradient in what it is made of.

    The gradient of each of the three is made of the other two, which closes them under differentiation.
    """

    forward_node: ClassVar[type[ConvolutionND]]
    grad_input_node: ClassVar[type[ConvolutionGradInput]]
    grad_weight_node: ClassVar[type[ConvolutionGradWeight]]

    def __init__(
        self, window: Window, groups: int = 1, cover_all: bool = False, activation: Activation | None = None
    ) -> None:
        self.window = window
        self.groups = groups
        self.cover_all = cover_all
        self.activation = activation

    def plan_for(self, x: Shape, W: Shape, dtype: Any, strides: Shape | None = None, bias: bool = False) -> Convolution:
        """Return the plan of the convolution that this node is, or is a gradient of."""
        host = self.backend.host_dtype(dtype)
        problem = ConvolutionProblem(
            x, W, self.window, host, strides, self.groups, bias, self.activation, config.precision, self.cover_all
        )
        if min(problem.out_shape, default=1) < 1:
            raise InvalidType(
                "a window that fits into the padded image",
                f"image {x[2:]}, window {W[2:]}, stride {self.window.stride}, pad {self.window.pad}, "
                f"dilate {self.window.dilate}: the output would be {problem.out_shape}",
            )
        return Convolution.plan(self.backend, problem)

    def convolve(self, x: Variable, W: Variable) -> Variable:
        """Return x ⋆ W."""
        return self.forward_node(self.window, self.groups, self.cover_all).apply((x, W))[0]

    def grad_input(self, gy: Variable, W: Variable, x_shape: Shape) -> Variable:
        """Return the gradient of x."""
        return self.grad_input_node(self.window, self.groups, self.cover_all, x_shape).apply((gy, W))[0]

    def grad_weight(self, x: Variable, gy: Variable, W_shape: Shape) -> Variable:
        """Return the gradient of W."""
        return self.grad_weight_node(self.window, self.groups, self.cover_all, W_shape).apply((x, gy))[0]


class ConvolutionND(ConvolutionStep):
    """y = activation(x ⋆ W + b)."""

    def check_type_forward(self, in_types: Any) -> None:
        names = ("x", "W", "b")[: len(in_types)] if len(in_types) in (2, 3) else ("x", "W")
        expect_floating(in_types, names)
        x, W = in_types[0], in_types[1]
        expect(x.ndim == len(self.window.size) + 2, W.ndim == x.ndim)
        expect(
            x.shape[1] == W.shape[1] * self.groups,
            W.shape[0] % self.groups == 0,
        )
        if len(in_types) == 3:
            expect(in_types[2].ndim == 1, in_types[2].shape[0] == W.shape[0])

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        x, W = inputs[:2]
        bias = len(inputs) == 3
        self.plan = self.plan_for(x.shape, W.shape, x.dtype, self.backend.strides(x), bias)
        self.retain_inputs((0, 1))
        if self.activation is not None:
            self.retain_outputs((0,))
        return (self.plan.forward(x, W, inputs[2] if bias else None),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        (gy,), (x, W) = grad_outputs, self.get_retained_inputs()
        y = self.get_retained_outputs()[0] if self.activation is not None else None
        if current_state().enable_backprop:
            return self._differentiable(indexes, x, W, y, gy)
        wanted = (0 in indexes, 1 in indexes, 2 in indexes)
        made = self.plan.backward(x.array, W.array, None if y is None else y.array, gy.array, wanted)
        return tuple([constant(made[index], self.device) for index in indexes])

    def _differentiable(
        self, indexes: tuple[int, ...], x: Variable, W: Variable, y: Variable | None, gy: Variable
    ) -> tuple[Variable, ...]:
        if self.activation is not None:
            assert y is not None
            gy = activation_gradient(self.activation, y, gy)
        made: dict[int, Callable[[], Variable]] = {
            0: lambda: self.grad_input(gy, W, x.shape),
            1: lambda: self.grad_weight(x, gy, W.shape),
            2: lambda: gy.sum(axis=(0, *range(2, gy.ndim))),
        }
        return tuple([made[index]() for index in indexes])


class ConvolutionGradInput(ConvolutionStep):
    """The gradient of x, from gy and W; also the transposed convolution, with a bias."""

    def __init__(self, window: Window, groups: int, cover_all: bool, x_shape: Shape) -> None:
        super().__init__(window, groups, cover_all)
        self.x_shape = x_shape

    def check_type_forward(self, in_types: Any) -> None:
        names = ("x", "W", "b")[: len(in_types)] if len(in_types) in (2, 3) else ("x", "W")
        expect_floating(in_types, names)
        x, W = in_types[0], in_types[1]
        expect(x.ndim == len(self.window.size) + 2, W.ndim == x.ndim)
        expect(
            x.shape[1] == W.shape[0],
            x.shape[1] % self.groups == 0,
        )
        if len(in_types) == 3:
            expect(in_types[2].ndim == 1, in_types[2].shape[0] == W.shape[1] * self.groups)

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        gy, W = inputs[:2]
        self.retain_inputs((0, 1))
        gx = self.plan_for(self.x_shape, W.shape, gy.dtype).grad_input(W, gy)
        if len(inputs) == 3:
            gx = gx + _along_channels(self, inputs[2], gx.ndim)
        return (gx,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (ggx,), (gy, W) = grad_outputs, self.get_retained_inputs()
        made: dict[int, Callable[[], Variable]] = {
            0: lambda: self.convolve(ggx, W),
            1: lambda: self.grad_weight(ggx, gy, W.shape),
            2: lambda: ggx.sum(axis=(0, *range(2, ggx.ndim))),
        }
        return tuple([made[index]() for index in indexes])


class ConvolutionGradWeight(ConvolutionStep):
    """The gradient of W, from x and gy."""

    def __init__(self, window: Window, groups: int, cover_all: bool, W_shape: Shape) -> None:
        super().__init__(window, groups, cover_all)
        self.W_shape = W_shape

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        x, gy = inputs
        self.retain_inputs((0, 1))
        plan = self.plan_for(x.shape, self.W_shape, x.dtype, self.backend.strides(x))
        return (plan.grad_weight(x, gy),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (ggW,), (x, gy) = grad_outputs, self.get_retained_inputs()
        made: dict[int, Callable[[], Variable]] = {
            0: lambda: self.grad_input(gy, ggW, x.shape),
            1: lambda: self.convolve(x, ggW),
        }
        return tuple([made[index]() for index in indexes])


class DeconvolutionND(ConvolutionGradInput):
    """The transposed convolution: what a convolution's backward does to its gradient."""


class ConvolutionNDGradW(ConvolutionGradWeight):
    """The gradient of a convolution's filters."""


ConvolutionStep.forward_node = ConvolutionND
ConvolutionStep.grad_input_node = DeconvolutionND
ConvolutionStep.grad_weight_node = ConvolutionNDGradW


def _along_channels(node: FunctionNode, b: Array, ndim: int) -> Array:
    return node.backend.xp.reshape(b, (1, -1, *(1 for _ in range(ndim - 2))))


def make_window(
    W: Variable, stride: int | Sequence[int], pad: int | Sequence[int], dilate: int | Sequence[int]
) -> Window:
    """Return the window of filters ``W`` under arguments of one number or one per axis."""
    size = W.shape[2:]
    return Window(
        size,
        per_axis("stride", stride, len(size), at_least=1),
        per_axis("pad", pad, len(size), at_least=0),
        per_axis("dilate", dilate, len(size), at_least=1),
    )


def convolve(
    node: type[ConvolutionND],
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None,
    window: Window,
    groups: int,
    cover_all: bool,
    activation: ActivationLike,
) -> Variable:
    """Apply a convolution node, the activation inside it where it can be fused and after it where not."""
    if groups < 1:
        raise ValueError(f"groups={groups}: expected at least 1")
    x = as_variable(x)
    fused, after = split_activation(activation)
    parameters = [like(x, parameter) for parameter in (W, b) if parameter is not None]
    return after(node(window, groups, cover_all, fused).apply((x, *parameters))[0])


def convolution_nd(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    cover_all: bool = False,
    dilate: int | Sequence[int] = 1,
    groups: int = 1,
    *,
    activation: ActivationLike = None,
) -> Variable:
    """Convolve over any number of spatial axes (cross-correlation: filters are not flipped).

    y[n, o, p] = activation(b[o] + Σ_{c, q} x[n, c, p·stride + q·dilate − pad] W[o, c, q]).

    Args:
        x: (N, C, *spatial).
        W: (O, C / groups, *window).
        b: (O,), or None.
        stride: Steps between windows.
        pad: Zeros before and after each axis.
        cover_all: Let the last window hang over the edge, so that every pixel is seen.
        dilate: Steps between a window's pixels.
        groups: Channels are split into so many groups, each with filters of its own.
        activation: A function applied to the result, in the same kernel where the backend can.

    Returns:
        (N, O, *out), out = ⌊(size + 2·pad − dilate(window − 1) − 1) / stride⌋ + 1.

    Raises:
        InvalidType: Ranks, channels or dtypes that do not fit, or an empty output.
        ValueError: A stride, pad or dilate of another length, or out of range.

    >>> convolution_nd(np.ones((1, 1, 5), "f"), np.ones((1, 1, 3), "f")).array
    array([[[3., 3., 3.]]], dtype=float32)
    """
    filters = as_variable(W)
    window = make_window(filters, stride, pad, dilate)
    return convolve(ConvolutionND, x, filters, b, window, groups, cover_all, activation)


def convolution_1d(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    cover_all: bool = False,
    dilate: int | Sequence[int] = 1,
    groups: int = 1,
    *,
    activation: ActivationLike = None,
) -> Variable:
    """Convolve sequences (N, C, L); arguments and errors are those of `convolution_nd`.

    Raises:
        ValueError: ``x`` has another number of axes.

    >>> convolution_1d(np.ones((1, 1, 5), "f"), np.ones((1, 1, 3), "f"), stride=2).array
    array([[[3., 3.]]], dtype=float32)
    """
    x = as_variable(x)
    require_spatial_axes("convolution_1d", x, 1)
    return convolution_nd(x, W, b, stride, pad, cover_all, dilate, groups, activation=activation)


def convolution_3d(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike | None = None,
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    cover_all: bool = False,
    dilate: int | Sequence[int] = 1,
    groups: int = 1,
    *,
    activation: ActivationLike = None,
) -> Variable:
    """Convolve volumes (N, C, D, H, W); arguments and errors are those of `convolution_nd`.

    Raises:
        ValueError: ``x`` has another number of axes.

    >>> convolution_3d(np.ones((1, 1, 3, 3, 3), "f"), np.ones((1, 1, 3, 3, 3), "f")).array
    array([[[[[27.]]]]], dtype=float32)
    """
    x = as_variable(x)
    require_spatial_axes("convolution_3d", x, 3)
    return convolution_nd(x, W, b, stride, pad, cover_all, dilate, groups, activation=activation)
