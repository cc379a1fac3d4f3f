"""Shapes and strides of an elementwise call, reduced to as few axes as its memory allows."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.types import Shape

_INT32: Final = 2**31


class Layout(NamedTuple):
    """How one running index walks over all operands."""

    shape: Shape
    """Of the result."""
    order: Shape
    """The result's axes as they lie in memory, outermost first: the first whole operand's order."""
    sizes: Shape
    """Of the axes that are left; at least one."""
    strides: tuple[Shape, ...]
    """Per operand, then for a new dense output: one stride per axis that is left, in elements."""
    wide: bool
    """Whether offsets need 64 bits."""

    @property
    def total(self) -> int:
        """The number of elements."""
        return math.prod(self.sizes)


@functools.lru_cache(maxsize=4096)
def lay_out(shapes: tuple[Shape, ...], strides: tuple[Shape, ...]) -> Layout:
    """Broadcast operands and merge every pair of axes that all of them walk as one.

    Dense operands of one memory order end up with a single axis of stride 1, channels-last or not; a bias along
    channels leaves two axes.

    Args:
        shapes: Of the operands.
        strides: In elements.

    Raises:
        ValueError: The shapes do not broadcast.

    >>> lay_out(((2, 3, 4), (2, 3, 4)), ((12, 4, 1), (12, 4, 1)))[2:4]
    ((24,), ((1,), (1,), (1,)))
    >>> lay_out(((2, 3, 4), (3, 1)), ((12, 4, 1), (1, 1)))[2:4]
    ((2, 3, 4), ((12, 4, 1), (0, 1, 0), (12, 4, 1)))
    """
    shape = np.broadcast_shapes(*shapes)
    walks = [_broadcast(shape, own, stride) for own, stride in zip(shapes, strides, strict=True)]
    lead = next((walk for own, walk in zip(shapes, walks, strict=True) if own == shape), walks[0])
    order = tuple(sorted(range(len(shape)), key=lambda axis: (-abs(lead[axis]), axis)))
    dense = [0] * len(shape)
    step = 1
    for axis in reversed(order):
        dense[axis] = step
        step *= shape[axis]
    walks.append(tuple(dense))

    sizes: list[int] = []
    kept: list[list[int]] = [[] for _ in walks]
    for axis in (axis for axis in order if shape[axis] != 1):
        size = shape[axis]
        if sizes and all(merged[-1] == walk[axis] * size for merged, walk in zip(kept, walks, strict=True)):
            sizes[-1] *= size
            for merged, walk in zip(kept, walks, strict=True):
                merged[-1] = walk[axis]
        else:
            sizes.append(size)
            for merged, walk in zip(kept, walks, strict=True):
                merged.append(walk[axis])
    if not sizes:
        sizes, kept = [1], [[1] for _ in walks]
    reach = max(sum((size - 1) * abs(s) for size, s in zip(sizes, walk, strict=True)) for walk in kept)
    wide = max(reach, math.prod(sizes)) >= _INT32 - 2**20  # a block may run past the end before it is masked
    return Layout(shape, order, tuple(sizes), tuple(tuple(walk) for walk in kept), wide)


def allocate(xp: Any, layout: Layout, dtype: Any, device: Any) -> Any:
    """Return an uninitialised array in the layout's memory order."""
    dense = xp.empty(tuple(layout.shape[axis] for axis in layout.order), dtype=dtype, device=device)
    inverse = sorted(range(len(layout.order)), key=layout.order.__getitem__)
    return xp.permute_dims(dense, tuple(inverse))


def _broadcast(shape: Shape, own: Shape, strides: Sequence[int]) -> Shape:
    """Return strides over the broadcast shape: 0 along axes that the operand does not have."""
    missing = len(shape) - len(own)
    return (0,) * missing + tuple(0 if n == 1 else s for n, s in zip(own, strides, strict=True))
