"""A convolution and a chain of 1×1 convolutions as one node: the block of Network in Network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kusari.autograd import Variable, as_variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import config, current_state
from kusari.errors import InvalidType
from kusari.functions.activation.relu import relu
from kusari.functions.arguments import like
from kusari.functions.connection.convolution_2d import convolution_2d
from kusari.functions.connection.convolution_nd import make_window
from kusari.functions.fused import ActivationLike, FusedNode, split_activation
from kusari.kernels.activation import Activation
from kusari.kernels.conv import MLPConvolution, MLPConvolutionProblem
from kusari.kernels.window import Window


class MLPConvolution2DFunction(FusedNode):
    """A k×k convolution, then 1×1 convolutions, an activation between each two and one after the last."""

    def __init__(self, window: Window, activation: Activation | None, output_activation: Activation | None) -> None:
        self.window = window
        self.activation = activation
        self.output_activation = output_activation

    def check_type_forward(self, in_types: Any) -> None:
        names = ["x", *(f"{kind}{index // 2}" for index, kind in enumerate("Wb" * (len(in_types) // 2)))]
        expect_floating(in_types, tuple(names))
        expect(in_types[0].ndim == 4)
        channels = in_types[0].shape[1]
        for index in range(1, len(in_types), 2):
            W, b = in_types[index], in_types[index + 1]
            expect(W.ndim == 4, W.shape[1] == channels, b.ndim == 1, b.shape[0] == W.shape[0])
            if index > 1:
                expect(W.shape[2] == 1, W.shape[3] == 1)
            channels = W.shape[0]

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        x, *weights = inputs
        problem = MLPConvolutionProblem(
            x.shape,
            tuple([W.shape for W in weights[::2]]),
            self.window,
            self.backend.host_dtype(x.dtype),
            self.backend.strides(x),
            self.activation,
            self.recording,
            config.precision,
            self.output_activation,
        )
        if min(self.window.out_shape(x.shape[2:])) < 1:
            raise InvalidType("a window that fits into the padded image", f"image {x.shape[2:]}, {self.window}")
        self.plan = MLPConvolution.plan(self.backend, problem)
        y, self.kept = self.plan.forward(x, tuple(weights))
        self.retain_inputs(tuple(range(len(inputs))))
        return (y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        inputs = self.get_retained_inputs()
        if current_state().enable_backprop:
            return self.backward_through_chain(indexes, inputs, grad_outputs)
        x, *weights = [v.array for v in inputs]
        wanted = tuple([index in indexes for index in range(len(inputs))])
        made = self.plan.backward(self.kept, x, tuple(weights), grad_outputs[0].array, wanted)
        return tuple([constant(made[index], self.device) for index in indexes])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the block as plain convolutions."""
        x, *weights = inputs
        pairs = list(zip(weights[::2], weights[1::2], strict=True))
        _, stride, pad, dilate = self.window
        for index, (W, b) in enumerate(pairs):
            activation = self.activation if index + 1 < len(pairs) else self.output_activation
            if index == 0:
                x = convolution_2d(x, W, b, stride, pad, dilate=dilate, activation=activation)
            else:
                x = convolution_2d(x, W, b, activation=activation)
        return (x,)


def mlp_convolution_2d(
    x: VariableLike,
    weights: Sequence[VariableLike],
    biases: Sequence[VariableLike],
    stride: int | Sequence[int] = 1,
    pad: int | Sequence[int] = 0,
    activation: ActivationLike = relu,
    *,
    output_activation: ActivationLike = None,
) -> Variable:
    """Convolve images, then mix each pixel's channels by a small perceptron of 1×1 convolutions.

    hᵢ = activation(hᵢ₋₁ ⋆ Wᵢ + bᵢ), y = output_activation(h ⋆ W + b) for the last: one node, one kernel where the
    backend has it.

    Args:
        x: (N, C, H, W).
        weights: (C₁, C, kh, kw), then (Cᵢ₊₁, Cᵢ, 1, 1).
        biases: (Cᵢ,) for each of them.
        stride: Of the first convolution; one number or (vertical, horizontal).
        pad: Of the first convolution.
        activation: Between the convolutions. One that kernels cannot take makes this the plain chain.
        output_activation: After the last, in the same kernel where the backend can; None: nothing.

    Returns:
        (N, C_last, H', W').

    Raises:
        InvalidType: Ranks, channels or dtypes that do not fit.
        ValueError: No weights, or another number of biases.

    Source: Lin, Chen, Yan, 2014, arXiv:1312.4400.

    >>> x = np.ones((1, 1, 3, 3), "f")
    >>> W = [np.ones((2, 1, 3, 3), "f"), np.ones((1, 2, 1, 1), "f")]
    >>> mlp_convolution_2d(x, W, [np.zeros(2, "f"), np.zeros(1, "f")]).array
    array([[[[18.]]]], dtype=float32)
    """
    if not weights or len(weights) != len(biases):
        raise ValueError(
            f"{len(weights)} weights and {len(biases)} biases: expected one bias for each, and at least one"
        )
    x = as_variable(x)
    fused, between = split_activation(activation)
    last, after = split_activation(output_activation, "output_activation")
    if activation is not None and fused is None:
        return after(_plain_chain(x, weights, biases, stride, pad, between, last))
    pairs = [like(x, parameter) for pair in zip(weights, biases, strict=True) for parameter in pair]
    window = make_window(pairs[0], stride, pad, 1)
    return after(MLPConvolution2DFunction(window, fused, last).apply((x, *pairs))[0])


def _plain_chain(
    x: Variable,
    weights: Sequence[VariableLike],
    biases: Sequence[VariableLike],
    stride: int | Sequence[int],
    pad: int | Sequence[int],
    activation: Callable[[Variable], Variable],
    output_activation: Activation | None,
) -> Variable:
    *before, (W, b) = zip(weights, biases, strict=True)
    where: tuple[Any, ...] = (stride, pad)
    for hidden_W, hidden_b in before:
        x = activation(convolution_2d(x, hidden_W, hidden_b, *where))
        where = ()
    return convolution_2d(x, W, b, *where, activation=output_activation)
