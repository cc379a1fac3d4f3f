"""Contraction of two arrays over chosen axes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.shaping import transpose
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.math.matmul import same_dtype
from kusari.types import Shape

Axes = int | tuple[Sequence[int], Sequence[int]] | tuple[int, int]


class TensorDot(FunctionNode):
    """y[i…, j…] = Σ a[i…, k…] b[k…, j…], where k… are the axes to contract, wherever they are."""

    def __init__(self, a_axes: Shape, b_axes: Shape) -> None:
        self.a_axes = a_axes
        self.b_axes = b_axes

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("a", "b"))

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1))
        return (self.backend.xp.tensordot(*inputs, axes=(self.a_axes, self.b_axes)),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (a, b), (gy,) = self.get_retained_inputs(), grad_outputs
        a_free = tuple(axis for axis in range(a.ndim) if axis not in self.a_axes)
        b_free = tuple(axis for axis in range(b.ndim) if axis not in self.b_axes)
        made = []
        for index in indexes:
            if index == 0:
                # Contracting gy with b over b's free axes leaves a's free axes, then the contracted ones in b's order.
                g = TensorDot(tuple(range(len(a_free), gy.ndim)), b_free).apply((gy, b))[0]
                present = (*a_free, *_matched(self.a_axes, self.b_axes))
            else:
                g = TensorDot(a_free, tuple(range(len(a_free)))).apply((a, gy))[0]
                present = (*_matched(self.b_axes, self.a_axes), *b_free)
            made.append(_put_in_order(g, present))
        return tuple(made)


def _matched(axes: Shape, partners: Shape) -> Shape:
    """Return ``axes`` in the order of their partners' places."""
    return tuple(axis for _, axis in sorted(zip(partners, axes, strict=True)))


def _put_in_order(x: Variable, present: Shape) -> Variable:
    """Return x with its axes, which are ``present`` now, in order."""
    order = tuple(sorted(range(x.ndim), key=present.__getitem__))
    return x if order == tuple(range(x.ndim)) else transpose(x, order)


def tensordot(a: VariableLike, b: VariableLike, axes: Axes = 2) -> Variable:
    """Contract two arrays over chosen axes.

    Args:
        a: Any shape, floating.
        b: Any shape, floating. Of two dtypes the wider one is the result's.
        axes: How many axes: the last of ``a`` with the first of ``b``; or which ones of ``a`` and which of ``b``.

    Returns:
        The free axes of ``a``, then those of ``b``.

    Raises:
        ValueError: Axes that are not there, are given twice, or differ in number or length.
        InvalidType: Not floating.

    >>> tensordot(np.ones((2, 3, 4)), np.ones((4, 3, 5)), axes=([1, 2], [1, 0])).shape
    (2, 5)
    """
    a, b = same_dtype(a, b)
    a_axes, b_axes = _read_axes(axes, a.ndim, b.ndim)
    for one, other in zip(a_axes, b_axes, strict=True):
        if a.shape[one] != b.shape[other]:
            raise ValueError(
                f"tensordot(axes={axes}): axis {one} of {a.shape} and axis {other} of {b.shape} differ in length"
            )
    return TensorDot(a_axes, b_axes).apply((a, b))[0]


def _read_axes(axes: Any, a_ndim: int, b_ndim: int) -> tuple[Shape, Shape]:
    """Return the axes of both sides, counted from 0."""
    if isinstance(axes, int):
        if axes < 0 or axes > a_ndim or axes > b_ndim:
            raise ValueError(f"tensordot(axes={axes}): the arrays have {a_ndim} and {b_ndim} axes")
        return tuple(range(a_ndim - axes, a_ndim)), tuple(range(axes))
    try:
        pair = [tuple(side) if isinstance(side, Sequence) else (operator.index(side),) for side in axes]
        sides = [tuple(map(operator.index, side)) for side in pair]
    except TypeError:
        sides = []
    if len(sides) != 2 or len(sides[0]) != len(sides[1]):
        raise ValueError(f"tensordot(axes={axes!r}): expected a number, or a pair of sequences of equal length")
    found = []
    for side, ndim in zip(sides, (a_ndim, b_ndim), strict=True):
        if any(not -ndim <= axis < ndim for axis in side) or len({axis % ndim for axis in side}) != len(side):
            raise ValueError(f"tensordot(axes={axes!r}): expected different axes of an array that has {ndim}")
        found.append(tuple(axis % ndim for axis in side))
    return found[0], found[1]
