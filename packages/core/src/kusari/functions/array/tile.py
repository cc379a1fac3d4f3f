"""Repeating whole arrays."""

from __future__ import annotations

from itertools import chain
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.axes import integer
from kusari.autograd.shaping import reshape
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.variable import VariableLike
from kusari.types import Shape


class Tile(FunctionNode):
    """x, laid side by side along each axis."""

    def __init__(self, reps: Shape) -> None:
        self.reps = reps

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.backend.xp.tile(inputs[0], self.reps),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        shape = self.inputs[0].shape
        ndim = max(len(shape), len(self.reps))
        reps, lengths = ((1,) * (ndim - len(numbers)) + numbers for numbers in (self.reps, shape))
        # Every axis in two: which copy, and where in it.
        copies = reshape(grad_outputs[0], tuple(chain.from_iterable(zip(reps, lengths, strict=True))))
        return (reshape(sum_over(copies, axis=tuple(range(0, 2 * ndim, 2))), shape),)


def tile(x: VariableLike, reps: int | tuple[int, ...]) -> Variable:
    """Lay copies of an array side by side.

    Args:
        x: Any shape.
        reps: How many copies along each axis, the last ones first; a number: along the last axis. With more numbers
            than ``x`` has axes, new axes come in front.

    Raises:
        TypeError: Neither an integer nor a tuple of integers.
        ValueError: A negative number.

    >>> tile(np.asarray([1.0, 2.0]), (2, 2)).array
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]])
    """
    numbers = tuple(integer("tile(): reps", rep) for rep in (reps if isinstance(reps, tuple) else (reps,)))
    if any(number < 0 for number in numbers):
        raise ValueError(f"tile(reps={reps}): expected numbers of at least 0")
    return Tile(numbers).apply((x,))[0]
