"""Nodes that join arrays along an axis, and the one that cuts them: each is the other's gradient."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.shaping import reshape
from kusari.autograd.type_check import expect
from kusari.errors import InvalidType
from kusari.functions.array.sequences import all_gradients, expect_same_dtype
from kusari.types import Shape


class Joining(FunctionNode):
    """Inputs, perhaps with more axes of length 1, behind each other along one axis."""

    def part_shape(self, shape: Shape) -> Shape:
        """Return the shape that an input of ``shape`` is joined in."""
        return shape

    def joined_axis(self, ndim: int) -> int:
        """Return the axis along which inputs of ``ndim`` axes are joined, in `part_shape`'s result."""
        raise NotImplementedError

    def check_type_forward(self, in_types: Any) -> None:
        expect_same_dtype(in_types)
        first, ndim = in_types[0], len(in_types[0].shape)
        axis = self.joined_axis(ndim)
        grown = len(self.part_shape((1,) * ndim)) > ndim
        for info in in_types:
            expect(info.ndim == first.ndim)
            for place in range(ndim):
                # A part that got its joined axis here has none of its own that may differ.
                if place != axis or grown:
                    expect(info.shape[place] == first.shape[place])

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        xp, self.axis = self.backend.xp, self.joined_axis(inputs[0].ndim)
        shapes = [self.part_shape(x.shape) for x in inputs]
        parts = [x if x.shape == shape else xp.reshape(x, shape) for x, shape in zip(inputs, shapes, strict=True)]
        self.cuts = tuple(accumulate([shape[self.axis] for shape in shapes[:-1]]))
        return (xp.concat(parts, axis=self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        parts = SplitAxis(self.cuts, self.axis).apply(grad_outputs)
        return tuple([reshape(parts[index], self.inputs[index].shape) for index in indexes])


class Concat(Joining):
    """Inputs behind each other along an axis that they have."""

    def __init__(self, axis: int) -> None:
        self.requested = axis

    def joined_axis(self, ndim: int) -> int:
        if not -ndim <= self.requested < ndim:
            raise InvalidType(f"-{ndim} <= axis < {ndim}, an axis of the inputs", f"axis = {self.requested}")
        return self.requested % ndim


class SplitAxis(FunctionNode):
    """The pieces of x between cuts along an axis."""

    def __init__(self, cuts: Shape, axis: int) -> None:
        self.cuts = cuts
        self.axis = axis

    def forward(self, inputs: tuple[Any]) -> tuple[Any, ...]:
        (x,) = inputs
        before = (slice(None),) * self.axis
        bounds = (0, *self.cuts, x.shape[self.axis])
        pieces = [x[(*before, slice(a, b), ...)] for a, b in pairwise(bounds)]
        self.shapes = [piece.shape for piece in pieces]
        return tuple(pieces)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, ...]) -> tuple[Variable]:
        gradients = all_gradients(self, grad_outputs, self.shapes)
        return (Concat(self.axis).apply(tuple(gradients))[0],)
