"""2-D upsampling: max pooling undone, with its indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.configuration import current_state
from kusari.errors import InvalidType
from kusari.functions.pooling.pooling_nd import make_window
from kusari.functions.pooling.unpooling_nd import UnpoolingStep, unpooled_size
from kusari.kernels.pooling import MaxPooling
from kusari.kernels.window import Window
from kusari.types import Array, Shape


class Upsampling2D(UnpoolingStep):
    """y = each value at the place in its window that max pooling found it at, 0 elsewhere."""

    def __init__(self, window: Window, cover_all: bool, out: Shape, indexes: Array) -> None:
        super().__init__(window, cover_all, out)
        self.indexes = indexes

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        self._check_indexes(x)
        self.plan = MaxPooling.plan(self.backend, self.problem_for((*x.shape[:2], *self.out), x))
        return (self.plan.grad_input(self.indexes, x),)

    def _check_indexes(self, x: Array) -> None:
        if self.indexes.shape != x.shape:
            raise InvalidType(f"indexes of x's shape {x.shape}", f"{self.indexes.shape}")
        dtype = self.backend.host_dtype(self.indexes.dtype)
        if dtype.kind not in "iu":
            raise InvalidType("indexes of integers", f"{dtype}")
        if current_state().debug:  # reads values: only where asked for
            xp, size = self.backend.xp, self.window.size[0] * self.window.size[1]
            if bool(xp.any((self.indexes < 0) | (self.indexes >= size))):
                raise ValueError(f"upsampling_2d: indexes outside 0 … {size - 1}, the places of a window")

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Upsampling2DGrad(self).apply(grad_outputs)[0],)


class Upsampling2DGrad(FunctionNode):
    """gy, at the places that the indices name."""

    def __init__(self, upsampling: Upsampling2D) -> None:
        self.upsampling = upsampling

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.upsampling.plan.gather(self.upsampling.indexes, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        u = self.upsampling
        return (Upsampling2D(u.window, u.cover_all, u.out, u.indexes).apply(grad_outputs)[0],)


def upsampling_2d(
    x: VariableLike,
    indexes: VariableLike,
    ksize: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    pad: int | Sequence[int] = 0,
    outsize: int | Sequence[int] | None = None,
    cover_all: bool = True,
) -> Variable:
    """Put each value back where max pooling found it; the rest is 0.

    Give the pooling's own arguments, and the size of what was pooled as ``outsize``.

    Args:
        x: (N, C, H, W), floating.
        indexes: What ``max_pooling_2d(..., return_indices=True)`` returned: of ``x``'s shape, integers, each a place
            in the window, row-major.
        ksize: The window's size; one number or (vertical, horizontal). Likewise ``stride``, ``pad`` and ``outsize``.
        stride: Steps between windows; None: the window's size.
        pad: The border's width.
        outsize: The spatial shape of the result; None: as for `unpooling_nd`.
        cover_all: The pooling's argument.

    Returns:
        (N, C, *outsize). Where windows overlap and chose one pixel, the sum.

    Raises:
        InvalidType: ``x`` is not floating, ``indexes`` do not fit, or pooling would not bring ``outsize`` to x's shape.
        ValueError: A window argument of another length, or out of range; in debug mode, an index beyond the window.

    Source: Badrinarayanan, Kendall, Cipolla, 2015, arXiv:1511.00561.

    >>> from kusari.functions.pooling.max_pooling_nd import max_pooling_2d
    >>> x = np.asarray([[[[1.0, 2.0], [4.0, 3.0]]]])
    >>> y, indexes = max_pooling_2d(x, 2, return_indices=True)
    >>> upsampling_2d(y, indexes, 2, outsize=(2, 2)).array
    array([[[[0., 0.],
             [4., 0.]]]])
    """
    x = as_variable(x)
    window = make_window(2, ksize, stride, pad)
    out = unpooled_size(x, window, outsize, cover_all)
    places = x.device.send(as_variable(indexes).array)
    return Upsampling2D(window, cover_all, out, places).apply((x,))[0]
