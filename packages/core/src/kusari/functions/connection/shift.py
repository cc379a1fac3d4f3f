"""Moving groups of channels by some pixels: a convolution without arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import per_axis
from kusari.kernels.shift import Move
from kusari.kernels.shift import shift as shift_kernel
from kusari.types import Shape


class Shift(FunctionNode):
    """Each group of channels, moved its own way."""

    def __init__(self, ksize: Shape, dilate: Shape, back: bool = False) -> None:
        self.ksize = ksize
        self.dilate = dilate
        self.back = back
        """True for the gradient: everything moves back."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        x = in_types[0]
        expect(x.ndim == 4, x.shape[1] >= self.ksize[0] * self.ksize[1])

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        return (shift_kernel(self.backend, x, self._moves(x.shape[1])),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Shift(self.ksize, self.dilate, not self.back).apply(grad_outputs)[0],)

    def _moves(self, channels: int) -> tuple[Move, ...]:
        """Return a move for each group; the last group, and what is left over, stays where it is."""
        reach = [[d * (place - k // 2) for place in range(k)] for k, d in zip(self.ksize, self.dilate, strict=True)]
        steps = list(itertools.product(*reach))
        middle = len(steps) // 2
        steps[middle], steps[-1] = steps[-1], steps[middle]
        size = channels // len(steps)
        sign = -1 if self.back else 1
        return tuple(
            Move(group * size, channels if group + 1 == len(steps) else (group + 1) * size, sign * down, sign * right)
            for group, (down, right) in enumerate(steps)
        )


def shift(x: VariableLike, ksize: int | Sequence[int] = 3, dilate: int | Sequence[int] = 1) -> Variable:
    """Move groups of channels, each by a step of its own, with zeros coming in.

    y[n, c, i, j] = x[n, c, i − down, j − right]. The steps are those from a window's centre to its pixels, row by row
    from (−⌊kh/2⌋, −⌊kw/2⌋) times ``dilate``, for kh·kw groups of ⌊C / (kh·kw)⌋ channels; except that the centre and
    the last pixel change places, so that the last group, with all channels left over, stays where it is.

    Args:
        x: (N, C, H, W), floating; C of at least kh·kw.
        ksize: The window's size, odd; one number or (kh, kw).
        dilate: Steps between the window's pixels; one number or (vertical, horizontal).

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: ``x`` is not floating, has another rank, or too few channels.
        ValueError: An even size, or arguments of another length or out of range.

    Source: Wu et al., 2017, "Shift: a zero FLOP, zero parameter alternative to spatial convolutions",
    arXiv:1711.08141.

    >>> x = np.tile(np.asarray([1.0, 2.0, 3.0]), (1, 3, 1, 1))
    >>> shift(x, ksize=(1, 3)).array[0, :, 0]
    array([[2., 3., 0.],
           [0., 1., 2.],
           [1., 2., 3.]])
    """
    size = per_axis("ksize", ksize, 2, at_least=1)
    if any(k % 2 == 0 for k in size):
        raise ValueError(f"shift(ksize={ksize}): expected odd numbers, so that the window has a centre")
    return Shift(size, per_axis("dilate", dilate, 2, at_least=1)).apply((x,))[0]
