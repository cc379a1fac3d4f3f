"""Repeating elements."""

from __future__ import annotations

from itertools import chain
from itertools import repeat as times
from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.axes import integer, normal_axis
from kusari.autograd.shaping import reshape
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.variable import VariableLike
from kusari.functions.array.flatten import flatten
from kusari.functions.array.taking import TakeGrad, places_on
from kusari.types import Shape


class Repeat(FunctionNode):
    """Each element along an axis, some times in a row."""

    def __init__(self, repeats: Shape, axis: int) -> None:
        self.repeats = repeats
        self.axis = axis

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,), xp = inputs, self.backend.xp
        if len(self.repeats) == 1:
            return (xp.repeat(x, self.repeats[0], axis=self.axis),)
        places = chain.from_iterable(times(place, count) for place, count in enumerate(self.repeats))
        self.places = places_on(self.backend, x, list(places))
        return (xp.take(x, self.places, axis=self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        shape, axis = self.inputs[0].shape, self.axis
        if len(self.repeats) > 1:
            return (TakeGrad(self.places, axis, shape[axis]).apply(grad_outputs)[0],)
        copies = reshape(grad_outputs[0], (*shape[: axis + 1], self.repeats[0], *shape[axis + 1 :]))
        return (sum_over(copies, axis=axis + 1),)


def repeat(x: VariableLike, repeats: int | tuple[int, ...], axis: int | None = None) -> Variable:
    """Repeat each element, some times in a row.

    Args:
        x: Any shape.
        repeats: How often; one number for all, or one for each element along the axis.
        axis: Along which axis; None: of the flattened array.

    Raises:
        TypeError: ``repeats`` is neither an integer nor a tuple of integers, or ``axis`` is not an integer.
        ValueError: A negative number, or another count than there are elements.
        InvalidType: ``x`` has no such axis.

    >>> repeat(np.asarray([1.0, 2.0]), (3, 1)).array
    array([1., 1., 1., 2.])
    """
    counts = tuple(integer("repeat(): repeats", one) for one in (repeats if isinstance(repeats, tuple) else (repeats,)))
    if any(count < 0 for count in counts):
        raise ValueError(f"repeat(repeats={repeats}): expected numbers of at least 0")
    x = as_variable(x)
    if axis is None:
        x, axis = flatten(x), 0
    axis = normal_axis("repeat", axis, x.ndim)
    if len(counts) not in (1, x.shape[axis]):
        raise ValueError(f"repeat(repeats={repeats}): expected 1 number, or {x.shape[axis]}, one for each element")
    return Repeat(counts, axis).apply((x,))[0]
