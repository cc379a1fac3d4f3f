"""Channels to pixels: the shuffle of sub-pixel convolution, and its inverse."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.axes import integer
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike


class Depth2Space(FunctionNode):
    """(N, r²C, H, W) to (N, C, rH, rW)."""

    def __init__(self, r: int) -> None:
        self.r = r

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("X",))
        expect(in_types[0].ndim == 4)
        expect(in_types[0].shape[1] % (self.r * self.r) == 0)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,), xp, r = inputs, self.backend.xp, self.r
        n, c, h, w = x.shape
        c //= r * r
        blocks = xp.permute_dims(xp.reshape(x, (n, r, r, c, h, w)), (0, 3, 4, 1, 5, 2))
        return (xp.reshape(blocks, (n, c, h * r, w * r)),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Space2Depth(self.r).apply(grad_outputs)[0],)


class Space2Depth(FunctionNode):
    """(N, C, rH, rW) to (N, r²C, H, W)."""

    def __init__(self, r: int) -> None:
        self.r = r

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("X",))
        expect(in_types[0].ndim == 4)
        expect(in_types[0].shape[2] % self.r == 0, in_types[0].shape[3] % self.r == 0)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,), xp, r = inputs, self.backend.xp, self.r
        n, c, h, w = x.shape
        blocks = xp.permute_dims(xp.reshape(x, (n, c, h // r, r, w // r, r)), (0, 3, 5, 1, 2, 4))
        return (xp.reshape(blocks, (n, r * r * c, h // r, w // r)),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Depth2Space(self.r).apply(grad_outputs)[0],)


def block_size(function: str, r: Any) -> int:
    """Return the edge of a block.

    Raises:
        TypeError: Not an integer.
        ValueError: Below 1.
    """
    number = integer(f"{function}(): r", r)
    if number < 1:
        raise ValueError(f"{function}(r={r}): expected 1 or more")
    return number


def depth2space(X: VariableLike, r: int) -> Variable:
    """Spread groups of channels over blocks of pixels: the pixel shuffle of sub-pixel convolution.

    y[n, c, rh + i, rw + j] = x[n, (ri + j) C + c, h, w].

    Args:
        X: (N, r²C, H, W), floating.
        r: The edge of a block.

    Returns:
        (N, C, rH, rW).

    Raises:
        InvalidType: Another rank or dtype, or channels that r² does not divide.
        ValueError: ``r`` is below 1.

    Source: Shi et al., 2016, arXiv:1609.05158.

    >>> depth2space(np.arange(4.0).reshape(1, 4, 1, 1), 2).array
    array([[[[0., 1.],
             [2., 3.]]]])
    """
    return Depth2Space(block_size("depth2space", r)).apply((X,))[0]
