"""An array walked as (before, along, behind): one axis of channels, classes or units, and all that lies around it."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

from kusari.backend import Backend
from kusari.types import Array, Shape
from kusari_triton.backend import triton_backend
from kusari_triton.launch import Strided, element_strides


class Walk(NamedTuple):
    """An array's axes in three groups, each of which is one running index.

    With channels along, images come as (N, C, H·W), and channels-last ones as (N·H·W, C, 1): one kernel for both.
    """

    before: Shape
    along: Shape
    behind: Shape

    @property
    def order(self) -> Shape:
        """All axes, outermost first: the memory order of results."""
        return (*self.before, *self.along, *self.behind)

    def lengths(self, shape: Shape) -> tuple[int, int, int]:
        """Return the length of each group."""
        before, along, behind = (math.prod(shape[axis] for axis in group) for group in self)
        return before, along, behind


@functools.lru_cache(maxsize=4096)
def choose_walk(shape: Shape, along: Shape, strides: Shape | None) -> Walk:
    """Return the walk that follows an array's memory.

    Args:
        shape: Of the array.
        along: Axes, ascending.
        strides: In any unit; None: as in C order.

    >>> choose_walk((8, 3, 5, 7), (1,), (105, 35, 7, 1))
    Walk(before=(0,), along=(1,), behind=(2, 3))
    >>> choose_walk((8, 3, 5, 7), (1,), (105, 1, 21, 3))
    Walk(before=(0, 2, 3), along=(1,), behind=())
    """
    others = tuple(axis for axis in range(len(shape)) if axis not in along)
    order = [axis for axis in range(len(shape)) if shape[axis] != 1]
    if strides is not None:
        order.sort(key=lambda axis: (-abs(strides[axis]), axis))
    short = tuple(axis for axis in others if shape[axis] == 1)
    places = [place for place, axis in enumerate(order) if axis in along]
    if not places:
        return Walk(short, along, tuple(order))
    first, last = places[0], places[-1]
    if last - first != len(places) - 1 or order[first : last + 1] != sorted(order[first : last + 1]):
        return Walk(others, along, ())
    return Walk((*short, *order[:first]), along, tuple(order[last + 1 :]))


@functools.lru_cache(maxsize=4096)
def walk_strides(walk: Walk, shape: Shape, strides: Shape) -> tuple[int, int, int] | None:
    """Return one stride per group; None where the axes of a group do not lie one inside the other."""
    found = []
    for group in walk:
        step, reach = 1, None
        for axis in reversed(group):
            if shape[axis] == 1:
                continue
            if reach is None:
                step, reach = strides[axis], strides[axis]
            if strides[axis] != reach:
                return None
            reach *= shape[axis]
        found.append(step)
    before, along, behind = found
    return before, along, behind


def walkable(backend: Backend, array: Array, walk: Walk) -> Array:
    """Return the array, or a dense copy in the walk's order where a kernel cannot walk it."""
    strides = element_strides(array)
    if strides is not None and walk_strides(walk, array.shape, strides) is not None:
        return array
    xp = backend.xp
    ordered = xp.permute_dims(array, walk.order)
    copy = xp.reshape(xp.reshape(ordered, (-1,), copy=True), ordered.shape)
    made: Array = xp.permute_dims(copy, _inverse(walk.order))
    return made


def empty_walked(backend: Backend, shape: Shape, walk: Walk, dtype: Any, device: Any) -> Array:
    """Return an uninitialised array, dense in the walk's order; ``dtype`` and ``device`` are native."""
    ordered = tuple(shape[axis] for axis in walk.order)
    made = triton_backend(backend).empty(ordered, dtype, device)
    return made if walk.order == tuple(range(len(shape))) else backend.xp.permute_dims(made, _inverse(walk.order))


def walk_arguments(name: str, array: Strided | None, walk: Walk, shape: Shape) -> dict[str, int]:
    """Return an array's strides in elements as a kernel's arguments: ``x_before``, ``x_along``, ``x_behind``."""
    strides = None if array is None else element_strides(array)
    steps = (0, 0, 0) if strides is None else walk_strides(walk, shape, strides)
    assert steps is not None
    return {f"{name}_{group}": step for group, step in zip(Walk._fields, steps, strict=True)}


def flat(backend: Backend, array: Array) -> Array:
    """Return an array in C order as one dense axis: a view where it is dense."""
    xp = backend.xp
    made: Array = xp.reshape(array, (-1,))
    if element_strides(made) != (1,):
        made = xp.asarray(made, copy=True)
    return made


def _inverse(order: Shape) -> Shape:
    return tuple(sorted(range(len(order)), key=order.__getitem__))
