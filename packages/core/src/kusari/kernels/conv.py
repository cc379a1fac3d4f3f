"""Convolution of any number of spatial axes, its two gradients, and the fused stack of MLPConvolution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from kusari.backend import Backend, Family
from kusari.kernels import depthwise
from kusari.kernels.activation import Activation
from kusari.kernels.reduction import total
from kusari.kernels.window import Window, interior, pad_channels_last, to_channels_first, to_channels_last
from kusari.types import Array, Shape


class ConvolutionProblem(NamedTuple):
    """Everything about a convolution but its numbers."""

    x: Shape
    """(N, C, *spatial)."""
    W: Shape
    """(O, C / groups, *window)."""
    window: Window
    dtype: Any
    """The host's dtype object; x, W and b share it."""
    strides: Shape | None = None
    """Of x, in bytes; None where the library does not tell."""
    groups: int = 1
    bias: bool = False
    activation: Activation | None = None
    precision: str = "ieee"
    """What float32 products may be made of: ``ieee``, ``tf32``, ``tf32x3``."""
    cover_all: bool = False
    """Let the last window hang over the edge, so that every pixel is seen."""

    @property
    def out_shape(self) -> Shape:
        """The spatial shape of the output."""
        return self.window.out_shape(self.x[2:], self.cover_all)

    @property
    def depthwise(self) -> bool:
        """Whether each channel has filters of its own."""
        return self.groups > 1 and self.W[1] == 1

    @property
    def after(self) -> Shape:
        """The border behind the image."""
        return self.window.border_after(self.x[2:], self.out_shape)

    @property
    def y(self) -> Shape:
        """(N, O, *out)."""
        return (self.x[0], self.W[0], *self.out_shape)


class Convolution(Family[ConvolutionProblem]):
    """y = activation(x ⋆ W + b), cross-correlation, and its gradients.

    Portable definition: the window's taps of the channels-last view are stacked and multiplied at once; where each
    channel has filters of its own they are summed one by one, see `kusari.kernels.depthwise`. Results are dense and
    channels-last whatever came in.
    """

    def forward(self, x: Array, W: Array, b: Array | None) -> Array:
        """Return y (N, O, *out); x (N, C, *spatial), W (O, C/groups, *window), b (O,)."""
        xp, activation = self.backend.xp, self.problem.activation
        if self.problem.depthwise:
            y = depthwise.convolve(self.backend, self.problem, x, W)
        else:
            y = _merge(self.backend, self._product(self._columns(x), self._matrix(W)))
        if b is not None:
            y = y + b
        if activation is not None:
            y = activation.apply(self.backend, y)
        n, o, *out = self.problem.y
        return to_channels_first(self.backend, xp.reshape(y, (n, *out, o)))

    def grad_input(self, W: Array, gy: Array) -> Array:
        """Return the gradient of x: each tap's share is added where the tap looked."""
        backend, problem = self.backend, self.problem
        if problem.depthwise:
            return depthwise.grad_input(backend, problem, W, gy)
        xp, window, (n, c, *spatial) = backend.xp, problem.window, problem.x
        columns = self._product(self._flat(gy), xp.matrix_transpose(self._matrix(W)))
        if window.trivial:
            return to_channels_first(backend, xp.reshape(_merge(backend, columns), (n, *spatial, c)))
        taps = math.prod(window.size)
        columns = xp.reshape(columns, (problem.groups, n, *problem.out_shape, taps, c // problem.groups))
        before, after = window.pad, problem.after
        shape = (
            n,
            *(b + s + a for b, s, a in zip(before, spatial, after, strict=True)),
            problem.groups,
            c // problem.groups,
        )
        gx: Array = xp.zeros(shape, dtype=gy.dtype, device=gy.device)
        for index, tap in enumerate(window.taps(problem.out_shape)):
            share = columns[(..., index, slice(None))]
            gx[(slice(None), *tap, ...)] += xp.moveaxis(share, 0, -2)
        gx = xp.reshape(gx, (*shape[:-2], c))
        if any(before) or any(after):
            # A dense copy: a view with gaps would make every later kernel go strided.
            gx = xp.asarray(gx[interior(before, tuple(spatial))], copy=True)
        return to_channels_first(backend, gx)

    def grad_weight(self, x: Array, gy: Array) -> Array:
        """Return the gradient of W (O, C/groups, *window)."""
        xp, problem = self.backend.xp, self.problem
        if problem.depthwise:
            return depthwise.grad_weight(self.backend, problem, x, gy)
        product = self._product(xp.matrix_transpose(self._columns(x)), self._flat(gy))  # (G, taps · C/G, O/G)
        o, c, *window = problem.W
        product = xp.reshape(product, (problem.groups, *window, c, o // problem.groups))
        axes = (0, product.ndim - 1, product.ndim - 2, *range(1, product.ndim - 2))
        return xp.reshape(xp.permute_dims(product, axes), problem.W)

    def grad_bias(self, gy: Array) -> Array:
        """Return the gradient of b (O,): the sum over images and pixels."""
        return total(self.backend, gy, (0, *range(2, gy.ndim)))

    def backward(
        self, x: Array, W: Array, y: Array | None, gy: Array, wanted: tuple[bool, bool, bool]
    ) -> tuple[Array | None, Array | None, Array | None]:
        """Return the gradients of (x, W, b) that are wanted, None for the others.

        Args:
            x: Forward's input.
            W: Forward's filters.
            y: Forward's output; needed where the problem has an activation.
            gy: The output's gradient, before the activation's derivative.
            wanted: Which of the three.
        """
        if self.problem.activation is not None:
            assert y is not None
            gy = self.problem.activation.backpropagate(self.backend, y, gy)
        return (
            self.grad_input(W, gy) if wanted[0] else None,
            self.grad_weight(x, gy) if wanted[1] else None,
            self.grad_bias(gy) if wanted[2] else None,
        )

    def _product(self, a: Array, b: Array) -> Array:
        """Return the matrix products in a's dtype: the host's of bfloat16 come in float32."""
        xp = self.backend.xp
        made: Array = xp.astype(xp.matmul(a, b), a.dtype, copy=False)
        return made

    def _columns(self, x: Array) -> Array:
        """Return what each output pixel sees: (groups, N · out, taps · C/groups)."""
        backend, problem = self.backend, self.problem
        xp, g = backend.xp, problem.groups
        n, c = problem.x[:2]
        rows = n * math.prod(problem.out_shape)
        image = to_channels_last(backend, x)
        if problem.window.trivial:
            columns = xp.reshape(image, (rows, 1, g, c // g))
        else:
            image = pad_channels_last(backend, image, problem.window.pad, problem.after, 0)
            taps = [image[(slice(None), *tap, ...)] for tap in problem.window.taps(problem.out_shape)]
            columns = xp.reshape(xp.stack(taps, axis=-2), (rows, len(taps), g, c // g))
        columns = xp.permute_dims(columns, (2, 0, 1, 3))
        return xp.reshape(columns, (g, rows, columns.shape[2] * (c // g)))

    def _matrix(self, W: Array) -> Array:
        """Return W as (groups, taps · C/groups, O/groups)."""
        xp, g, (o, c) = self.backend.xp, self.problem.groups, self.problem.W[:2]
        W = xp.reshape(W, (g, o // g, c, -1))
        return xp.reshape(xp.permute_dims(W, (0, 3, 2, 1)), (g, -1, o // g))

    def _flat(self, gy: Array) -> Array:
        """Return gy as (groups, N · out, O/groups)."""
        xp, g, (n, o, *out) = self.backend.xp, self.problem.groups, self.problem.y
        flat = xp.reshape(to_channels_last(self.backend, gy), (n * math.prod(out), g, o // g))
        return xp.permute_dims(flat, (1, 0, 2))


def _merge(backend: Backend, y: Array) -> Array:
    """Return (groups, M, O/groups) as (M, O)."""
    xp, (g, m, o) = backend.xp, y.shape
    return xp.reshape(y, (m, o)) if g == 1 else xp.reshape(xp.permute_dims(y, (1, 0, 2)), (m, g * o))


class MLPConvolutionProblem(NamedTuple):
    """Everything about a convolution followed by 1×1 convolutions but its numbers."""

    x: Shape
    W: tuple[Shape, ...]
    """The filters' shapes, in order; all but the first are (O, C, 1, …)."""
    window: Window
    """Of the first convolution."""
    dtype: Any
    strides: Shape | None = None
    activation: Activation | None = None
    """Between the convolutions."""
    keep: bool = True
    """False when no backward will follow: nothing needs to be kept."""
    precision: str = "ieee"
    output_activation: Activation | None = None
    """After the last convolution."""


class MLPConvolution(Family[MLPConvolutionProblem]):
    """A k×k convolution and a chain of 1×1 convolutions with an activation between them, as one kernel.

    Portable definition: the chain of plans. An override keeps the intermediates in cache or on chip.
    """

    since: ClassVar[Mapping[str, int]] = {"output_activation": 2}

    def __init__(self, backend: Backend, problem: MLPConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.plans: list[Convolution] = []
        shape, strides = problem.x, problem.strides
        for index, W in enumerate(problem.W):
            ones = tuple(1 for _ in W[2:])
            window = problem.window if index == 0 else Window(ones, ones, tuple(0 for _ in ones), ones)
            last = index + 1 == len(problem.W)
            one = ConvolutionProblem(
                shape,
                W,
                window,
                problem.dtype,
                strides,
                1,
                True,
                problem.output_activation if last else problem.activation,
                problem.precision,
            )
            self.plans.append(Convolution.plan(backend, one))
            shape, strides = one.y, None

    def forward(self, x: Array, weights: tuple[Array, ...]) -> tuple[Array, Any]:
        """Return y and what `backward` wants kept, opaque to everyone else.

        Args:
            x: (N, C, *spatial).
            weights: W and b of each convolution, in turn.
        """
        made = [x]
        for index, plan in enumerate(self.plans):
            made.append(plan.forward(made[-1], weights[2 * index], weights[2 * index + 1]))
        return made[-1], self.kept(made[1:]) if self.problem.keep else None

    def kept(self, outputs: list[Array]) -> list[Array]:
        """Return those of the convolutions' outputs that the chain's backward reads."""
        return outputs if self.problem.output_activation is not None else outputs[:-1]

    def backward(
        self, kept: Any, x: Array, weights: tuple[Array, ...], gy: Array, wanted: tuple[bool, ...]
    ) -> tuple[Array | None, ...]:
        """Return the gradients of (x, *weights) that are wanted, None for the others."""
        inputs = [x, *kept]
        outputs: list[Array | None] = [*kept, None]  # the last is not read where nothing follows
        grads: list[Array | None] = []
        for index in reversed(range(len(self.plans))):
            needs_input = index > 0 or wanted[0]
            wish = (needs_input, wanted[2 * index + 1], wanted[2 * index + 2])
            gx, gW, gb = self.plans[index].backward(inputs[index], weights[2 * index], outputs[index], gy, wish)
            grads = [gW, gb, *grads]
            if gx is None:
                break
            gy = gx
        return (gx if wanted[0] else None, *grads)
