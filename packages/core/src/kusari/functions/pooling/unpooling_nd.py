"""Unpooling over any number of spatial axes: each value repeated over a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType
from kusari.functions.arguments import per_axis, require_spatial_axes
from kusari.functions.pooling.pooling_nd import PoolingStep, make_window
from kusari.kernels.pooling import Unpooling
from kusari.kernels.window import Window, get_deconv_outsize
from kusari.types import Shape


class UnpoolingStep(PoolingStep):
    """A node that undoes a pooling of images of size ``out``."""

    def __init__(self, window: Window, cover_all: bool, out: Shape) -> None:
        super().__init__(window, cover_all)
        self.out = out

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        (x,) = in_types
        expect(x.ndim == len(self.window.size) + 2)
        pooled = self.window.out_shape(self.out, self.cover_all)
        if tuple(x.shape)[2:] != pooled:
            raise InvalidType(
                f"x of spatial shape {pooled}, which pooling with this window makes of outsize={self.out}",
                f"{tuple(x.shape)[2:]}",
            )


class UnpoolingND(UnpoolingStep):
    """y = each value, spread over its window; where windows overlap, the sum."""

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self.plan = Unpooling.plan(self.backend, self.problem_for((*x.shape[:2], *self.out), x))
        return (self.plan.forward(x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (UnpoolingNDGrad(self).apply(grad_outputs)[0],)


class Unpooling2D(UnpoolingND):
    """y = each value of an image, spread over its window."""


class UnpoolingNDGrad(FunctionNode):
    """Σ gy over each window."""

    def __init__(self, unpooling: UnpoolingND) -> None:
        self.unpooling = unpooling

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.unpooling.plan.grad_input(inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        u = self.unpooling
        return (type(u)(u.window, u.cover_all, u.out).apply(grad_outputs)[0],)


def unpooled_size(x: Variable, window: Window, outsize: int | Sequence[int] | None, cover_all: bool) -> Shape:
    """Return the spatial shape of what was pooled to ``x``: as given, or the one that the window suggests."""
    if outsize is not None:
        return per_axis("outsize", outsize, len(window.size), at_least=1)
    numbers = zip(x.shape[2:], window.size, window.stride, window.pad, strict=False)
    size = tuple(get_deconv_outsize(n, k, s, p, cover_all) for n, k, s, p in numbers)
    if min(size, default=1) < 1:
        raise ValueError(f"unpooling x of shape {x.shape} by {window}: the result would be {size}; give outsize")
    return size


def unpooling_nd(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    outsize: int | Sequence[int] | None = None,
    cover_all: bool = True,
) -> Variable:
    """Spread each value over the window that a pooling would take it from, over any number of spatial axes.

    Where windows overlap, values add up; where none reaches, there is 0.

    Args:
        x: (N, C, *spatial).
        ksize: The window's size; one number or one per axis. Likewise ``stride``, ``pad`` and ``outsize``.
        stride: Steps between windows; None: the window's size.
        pad: How far windows hang over the edge.
        outsize: The spatial shape of the result; None: stride · (size − 1) + ksize − 2 pad, stride − 1 less with
            ``cover_all``.
        cover_all: The pooling's argument: its last window hangs over the edge.

    Returns:
        (N, C, *outsize).

    Raises:
        InvalidType: ``x`` is not floating, or pooling would not bring ``outsize`` to its shape.
        ValueError: A window argument of another length, or out of range; the result would be empty.

    >>> unpooling_nd(np.asarray([[[1.0, 2.0]]]), 2, outsize=4).array
    array([[[1., 1., 2., 2.]]])
    """
    return unpool(UnpoolingND, as_variable(x), ksize, stride, pad, outsize, cover_all)


def unpool(
    node: type[UnpoolingND],
    x: Variable,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None,
    pad: int | Sequence[int],
    outsize: int | Sequence[int] | None,
    cover_all: bool,
) -> Variable:
    """Apply an unpooling node."""
    window = make_window(2 if node is Unpooling2D else x.ndim - 2, ksize, stride, pad)
    return node(window, cover_all, unpooled_size(x, window, outsize, cover_all)).apply((x,))[0]


def unpooling_1d(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    outsize: int | Sequence[int] | None = None,
    cover_all: bool = True,
) -> Variable:
    """Spread each value of sequences (N, C, L) over a window.

    Arguments and errors are those of `unpooling_nd`, and ValueError where ``x`` has another rank.

    >>> unpooling_1d(np.asarray([[[1.0, 2.0]]]), 2, cover_all=False).array
    array([[[1., 1., 2., 2.]]])
    """
    x = as_variable(x)
    require_spatial_axes("unpooling_1d", x, 1)
    return unpool(UnpoolingND, x, ksize, stride, pad, outsize, cover_all)


def unpooling_3d(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    outsize: int | Sequence[int] | None = None,
    cover_all: bool = True,
) -> Variable:
    """Spread each value of volumes (N, C, D, H, W) over a window.

    Arguments and errors are those of `unpooling_nd`, and ValueError where ``x`` has another rank.

    >>> unpooling_3d(np.ones((1, 1, 1, 1, 1)), 2, cover_all=False).shape
    (1, 1, 2, 2, 2)
    """
    x = as_variable(x)
    require_spatial_axes("unpooling_3d", x, 3)
    return unpool(UnpoolingND, x, ksize, stride, pad, outsize, cover_all)
