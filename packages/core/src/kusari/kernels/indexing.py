"""Indexing: an array picked from by slices, integers and index arrays at once, and the way back."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from kusari.backend import Backend
from kusari.kernels.scatter import scatter_sum
from kusari.types import Array, Shape


class IndexArrays(NamedTuple):
    """What index arrays pick from some axes, all of them together."""

    axes: Shape
    """The axes that they index, of what the slices left over."""
    lengths: Shape
    """How long these axes are."""
    flat: Array
    """(K,): the places picked, as if these axes were one; integers from 0."""
    shape: Shape
    """The index arrays' common shape, of K elements."""
    position: int
    """Where in the result the axes of that shape come."""


class Index(NamedTuple):
    """A key as `x[key]` takes it, in two steps: slices, integers and new axes, then index arrays."""

    basic: tuple[Any, ...]
    """Integers, slices, None, an ellipsis; whole slices where arrays index."""
    arrays: IndexArrays | None = None

    def shape_of_picked(self, x: Array) -> Shape:
        """Return the shape of `gather`'s result."""
        sliced = x[self.basic].shape
        if self.arrays is None:
            return sliced
        rest = _without(sliced, self.arrays.axes)
        return (*rest[: self.arrays.position], *self.arrays.shape, *rest[self.arrays.position :])

    def gather(self, backend: Backend, x: Array) -> Array:
        """Return x[key]."""
        sliced, arrays = x[self.basic], self.arrays
        if arrays is None:
            return sliced
        xp, rest = backend.xp, _without(sliced.shape, arrays.axes)
        rows = xp.permute_dims(sliced, _to_front(arrays.axes, sliced.ndim))
        rows = xp.reshape(rows, (math.prod(arrays.lengths), *rest))
        picked = xp.reshape(xp.take(rows, arrays.flat, axis=0), (*arrays.shape, *rest))
        return xp.permute_dims(picked, _inverse(self._result_to_front(arrays, picked.ndim)))

    def scatter(self, backend: Backend, values: Array, shape: Shape) -> Array:
        """Return zeros of ``shape`` with ``values`` added at [key]: the gradient of `gather`."""
        xp, arrays = backend.xp, self.arrays
        if arrays is None:
            return self._assign(backend, values, shape)
        rows = xp.permute_dims(values, self._result_to_front(arrays, values.ndim))
        rest = rows.shape[len(arrays.shape) :]
        rows = xp.reshape(rows, (math.prod(arrays.shape), *rest))
        sums = scatter_sum(backend, rows, arrays.flat, 0, math.prod(arrays.lengths))
        sums = xp.reshape(sums, (*arrays.lengths, *rest))
        sums = xp.permute_dims(sums, _inverse(_to_front(arrays.axes, sums.ndim)))
        whole = all(item == slice(None) for item in self.basic)
        return sums if whole else self._assign(backend, sums, shape)

    def _assign(self, backend: Backend, values: Array, shape: Shape) -> Array:
        xp = backend.xp
        y: Array = xp.zeros(shape, dtype=values.dtype, device=values.device)
        key = tuple(item for item in self.basic if item is not None)  # an assignment knows no new axes
        y[key] = xp.reshape(values, y[key].shape)
        return y

    @staticmethod
    def _result_to_front(arrays: IndexArrays, ndim: int) -> Shape:
        """Return the permutation that brings the index arrays' axes of the result to the front."""
        return _to_front(tuple(range(arrays.position, arrays.position + len(arrays.shape))), ndim)


def index_arrays(backend: Backend, arrays: tuple[Array, ...], axes: Shape, lengths: Shape, position: int) -> Any:
    """Return index arrays, one per axis, as one: negative numbers count from the end.

    Raises:
        ValueError: Their shapes do not broadcast.
    """
    xp = backend.xp
    common, flat = xp.broadcast_arrays(*arrays), 0
    for index, length in zip(common, lengths, strict=True):
        index = xp.astype(index, xp.int64)
        flat = flat * length + xp.where(index < 0, index + length, index)
    return IndexArrays(axes, lengths, xp.reshape(flat, (-1,)), common[0].shape, position)


def _without(shape: Shape, axes: Shape) -> Shape:
    return tuple(length for axis, length in enumerate(shape) if axis not in axes)


def _to_front(axes: Shape, ndim: int) -> Shape:
    """Return the permutation that brings ``axes`` to the front."""
    return (*axes, *(axis for axis in range(ndim) if axis not in axes))


def _inverse(permutation: Shape) -> Shape:
    return tuple(sorted(range(len(permutation)), key=permutation.__getitem__))
