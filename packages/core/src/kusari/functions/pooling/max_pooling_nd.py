"""Max pooling over any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import require_spatial_axes
from kusari.functions.pooling.pooling_nd import PoolingStep, make_window
from kusari.kernels.pooling import MaxPooling


class MaxPoolingND(PoolingStep):
    """y = the largest value in each window."""

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self.plan = MaxPooling.plan(self.backend, self.problem_for(x.shape, x, self.backend.strides(x)))
        y, self.indexes = self.plan.forward(x)
        return (y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (MaxPoolingNDGrad(self).apply(grad_outputs)[0],)


class MaxPooling2D(MaxPoolingND):
    """y = the largest value in each window of an image."""


class MaxPoolingNDGrad(FunctionNode):
    """gy, at the places that forward chose."""

    def __init__(self, pooling: MaxPoolingND) -> None:
        self.pooling = pooling

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.pooling.plan.grad_input(self.pooling.indexes, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (MaxPoolingNDWithIndexes(self.pooling).apply(grad_outputs)[0],)


class MaxPoolingNDWithIndexes(FunctionNode):
    """x, at the places that forward chose."""

    def __init__(self, pooling: MaxPoolingND) -> None:
        self.pooling = pooling

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.pooling.plan.gather(self.pooling.indexes, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (MaxPoolingNDGrad(self.pooling).apply(grad_outputs)[0],)


def _max_pooling(
    node: type[MaxPoolingND],
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None,
    pad: int | Sequence[int],
    cover_all: bool,
    return_indices: bool,
) -> Any:
    x = as_variable(x)
    ndim = 2 if node is MaxPooling2D else x.ndim - 2
    pooling = node(make_window(ndim, ksize, stride, pad), cover_all)
    (y,) = pooling.apply((x,))
    return (y, pooling.indexes) if return_indices else y


def max_pooling_nd(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    cover_all: bool = True,
    return_indices: bool = False,
) -> Any:
    """Take the largest value in each window, over any number of spatial axes.

    Args:
        x: (N, C, *spatial).
        ksize: The window's size; one number or one per axis. Likewise ``stride`` and ``pad``.
        stride: Steps between windows; None: the window's size.
        pad: A border of −∞.
        cover_all: Let the last window hang over the edge, so that every pixel is seen.
        return_indices: Also return where in its window each value was found (row-major).

    Returns:
        (N, C, *out), or that and an array of the indices.

    Raises:
        InvalidType: ``x`` is not floating, or has another rank, or the output would be empty.
        ValueError: A window argument of another length, or out of range.

    >>> max_pooling_nd(np.asarray([[[1.0, 3.0, 2.0, 5.0, 4.0]]]), 2).array
    array([[[3., 5., 4.]]])
    """
    return _max_pooling(MaxPoolingND, x, ksize, stride, pad, cover_all, return_indices)


def max_pooling_1d(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    cover_all: bool = True,
    return_indices: bool = False,
) -> Any:
    """Take the largest value in each window of sequences (N, C, L).

    Arguments and errors are those of `max_pooling_nd`, and ValueError where ``x`` has another rank.

    >>> max_pooling_1d(np.asarray([[[1.0, 3.0, 2.0, 5.0, 4.0]]]), 2).array
    array([[[3., 5., 4.]]])
    """
    x = as_variable(x)
    require_spatial_axes("max_pooling_1d", x, 1)
    return _max_pooling(MaxPoolingND, x, ksize, stride, pad, cover_all, return_indices)


def max_pooling_2d(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    cover_all: bool = True,
    return_indices: bool = False,
) -> Any:
    """Take the largest value in each window of images (N, C, H, W).

    Arguments and errors are those of `max_pooling_nd`.

    >>> max_pooling_2d(np.arange(16.0).reshape(1, 1, 4, 4), 2).array
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _max_pooling(MaxPooling2D, x, ksize, stride, pad, cover_all, return_indices)


def max_pooling_3d(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    cover_all: bool = True,
    return_indices: bool = False,
) -> Any:
    """Take the largest value in each window of volumes (N, C, D, H, W).

    Arguments and errors are those of `max_pooling_nd`, and ValueError where ``x`` has another rank.

    >>> max_pooling_3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2).array.item()
    7.0
    """
    x = as_variable(x)
    require_spatial_axes("max_pooling_3d", x, 3)
    return _max_pooling(MaxPoolingND, x, ksize, stride, pad, cover_all, return_indices)
