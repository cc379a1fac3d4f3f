"""An array seen through other strides."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.axes import integer
from kusari.autograd.variable import VariableLike
from kusari.functions.array.flatten import flatten
from kusari.functions.array.taking import TakeGrad
from kusari.types import Array, Shape


class AsStrided(FunctionNode):
    """y[i, j, …] = element offset + i s₀ + j s₁ + … of x (N,)."""

    def __init__(self, shape: Shape, strides: Shape, offset: int) -> None:
        self.shape = shape
        self.strides = strides
        self.offset = offset

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,), xp = inputs, self.backend.xp
        places: Array = xp.full(self.shape, self.offset, dtype=xp.int64, device=x.device)
        for axis, (length, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            steps = xp.arange(length, dtype=xp.int64, device=x.device) * stride
            places = places + xp.reshape(steps, (length, *(1,) * (len(self.shape) - axis - 1)))
        self.places = xp.reshape(places, (-1,))
        return (xp.reshape(xp.take(x, self.places, axis=0), self.shape),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        gy = flatten(grad_outputs[0])
        return (TakeGrad(self.places, 0, self.inputs[0].shape[0]).apply((gy,))[0],)


def as_strided(
    x: VariableLike, shape: tuple[int, ...], strides: tuple[int, ...], storage_offset: int | None = None
) -> Variable:
    """See an array through other strides.

    y[i, j, …] = x's element number offset + i s₀ + j s₁ + …, counted in row-major order. Where elements appear more
    than once, their gradients add up. The result is a copy, not a view, and does not depend on how ``x`` lies in
    memory.

    Args:
        x: Any shape.
        shape: The result's.
        strides: Steps along each axis, in elements (not in bytes); any sign.
        storage_offset: The number of the first element; None: 0.

    Raises:
        ValueError: ``shape`` and ``strides`` of different lengths, a negative length, or an element outside ``x``.
        TypeError: Not integers.

    >>> as_strided(np.arange(5.0), (3, 2), (1, 1), 1).array
    array([[1., 2.],
           [2., 3.],
           [3., 4.]])
    """
    x = as_variable(x)
    lengths = tuple(integer("as_strided(): shape", length) for length in shape)
    steps = tuple(integer("as_strided(): strides", step) for step in strides)
    offset = 0 if storage_offset is None else integer("as_strided(): storage_offset", storage_offset)
    if len(lengths) != len(steps) or any(length < 0 for length in lengths):
        raise ValueError(
            f"as_strided(shape={shape}, strides={strides}): expected one stride for each length of 0 or more"
        )
    reach = [step * (length - 1) for length, step in zip(lengths, steps, strict=True)]
    lowest, highest = offset + sum(r for r in reach if r < 0), offset + sum(r for r in reach if r > 0)
    if math.prod(lengths) and (lowest < 0 or highest >= x.size):
        raise ValueError(
            f"as_strided(shape={shape}, strides={strides}, storage_offset={offset}): reads elements "
            f"{lowest} to {highest}; x has {x.size}"
        )
    return AsStrided(lengths, steps, offset).apply((flatten(x),))[0]
