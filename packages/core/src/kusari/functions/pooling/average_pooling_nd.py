"""Average pooling over any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import require_spatial_axes
from kusari.functions.pooling.pooling_nd import PoolingStep, make_window
from kusari.kernels.pooling import AveragePooling


class AveragePoolingND(PoolingStep):
    """y = the mean over each window."""

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self.plan = AveragePooling.plan(self.backend, self.problem_for(x.shape, x, self.backend.strides(x)))
        return (self.plan.forward(x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (AveragePoolingNDGrad(self).apply(grad_outputs)[0],)


class AveragePooling2D(AveragePoolingND):
    """y = the mean over each window of an image."""


class AveragePoolingNDGrad(FunctionNode):
    """gy, spread evenly over its window."""

    def __init__(self, pooling: AveragePoolingND) -> None:
        self.pooling = pooling

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.pooling.plan.grad_input(inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        p = self.pooling
        return (type(p)(p.window, p.cover_all, p.count_border).apply(grad_outputs)[0],)


def average_pooling_nd(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    pad_value: float | None = 0,
) -> Variable:
    """Take the mean over each window, over any number of spatial axes.

    Args:
        x: (N, C, *spatial).
        ksize: The window's size; one number or one per axis. Likewise ``stride`` and ``pad``.
        stride: Steps between windows; None: the window's size.
        pad: The border's width.
        pad_value: 0: the border counts as zeros; None: it does not count.

    Returns:
        (N, C, *out).

    Raises:
        InvalidType: ``x`` is not floating, or has another rank, or the output would be empty.
        ValueError: A window argument of another length, or out of range; another ``pad_value``.

    >>> average_pooling_nd(np.asarray([[[1.0, 3.0, 2.0, 6.0]]]), 2).array
    array([[[2., 4.]]])
    """
    if pad_value not in (0, None):
        raise ValueError(f"average_pooling_nd(pad_value={pad_value!r}): expected 0 or None")
    x = as_variable(x)
    window = make_window(x.ndim - 2, ksize, stride, pad)
    return AveragePoolingND(window, count_border=pad_value is not None).apply((x,))[0]


def average_pooling_1d(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    pad_value: float | None = 0,
) -> Variable:
    """Take the mean over each window of sequences (N, C, L).

    Arguments and errors are those of `average_pooling_nd`, and ValueError where ``x`` has another rank.

    >>> average_pooling_1d(np.asarray([[[1.0, 3.0, 2.0, 6.0]]]), 2).array
    array([[[2., 4.]]])
    """
    x = as_variable(x)
    require_spatial_axes("average_pooling_1d", x, 1)
    return average_pooling_nd(x, ksize, stride, pad, pad_value)


def average_pooling_2d(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
) -> Variable:
    """Take the mean over each window of images (N, C, H, W); the border counts as zeros.

    Arguments and errors are those of `average_pooling_nd`.

    >>> average_pooling_2d(np.arange(16.0).reshape(1, 1, 4, 4), 2).array
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return AveragePooling2D(make_window(2, ksize, stride, pad)).apply((x,))[0]


def average_pooling_3d(
    x: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    pad_value: float | None = 0,
) -> Variable:
    """Take the mean over each window of volumes (N, C, D, H, W).

    Arguments and errors are those of `average_pooling_nd`, and ValueError where ``x`` has another rank.

    >>> average_pooling_3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2).array.item()
    3.5
    """
    x = as_variable(x)
    require_spatial_axes("average_pooling_3d", x, 3)
    return average_pooling_nd(x, ksize, stride, pad, pad_value)
