"""Taking elements by their places along an axis, and the gradient, which adds up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.backend import Backend
from kusari.kernels.scatter import scatter_sum
from kusari.types import Array


class Take(FunctionNode):
    """y = the elements of x at places (K,) along an axis."""

    def __init__(self, places: Array, axis: int) -> None:
        self.places = places
        self.axis = axis

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.backend.xp.take(inputs[0], self.places, axis=self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (TakeGrad(self.places, self.axis, self.inputs[0].shape[self.axis]).apply(grad_outputs)[0],)


class TakeGrad(FunctionNode):
    """The sums of what belongs to one place."""

    def __init__(self, places: Array, axis: int, length: int) -> None:
        self.places = places
        self.axis = axis
        self.length = length

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (scatter_sum(self.backend, inputs[0], self.places, self.axis, self.length),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Take(self.places, self.axis).apply(grad_outputs)[0],)


def places_on(backend: Backend, x: Array, places: Sequence[int]) -> Array:
    """Return a table of places, made on the host, as an array beside ``x``."""
    places_array: Array = backend.xp.asarray(list(places), dtype=backend.xp.int64, device=x.device)
    return places_array
