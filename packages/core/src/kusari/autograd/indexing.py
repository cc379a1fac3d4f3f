"""Indexing: x[key] for slices, integers, index arrays and masks; the gradient adds up where places repeat."""

from __future__ import annotations

import math
import operator
from types import EllipsisType
from typing import Any

from kusari.autograd.function_node import FunctionNode
from kusari.autograd.operands import is_scalar
from kusari.autograd.variable import Variable, VariableLike, as_array, as_variable
from kusari.backend import Device
from kusari.configuration import config, current_state
from kusari.errors import SynchronizationError
from kusari.kernels.indexing import Index, index_arrays
from kusari.types import Array, Shape

_EXPECTED = "expected integers, slices, None, an ellipsis, integer arrays or boolean masks"


class GetItem(FunctionNode):
    """x[key]."""

    def __init__(self, index: Index) -> None:
        self.index = index

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.index.gather(self.backend, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (GetItemGrad(self.index, self.inputs[0].shape).apply(grad_outputs)[0],)


class GetItemGrad(FunctionNode):
    """Zeros with gy added at [key]."""

    def __init__(self, index: Index, shape: Shape) -> None:
        self.index = index
        self.shape = shape

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.index.scatter(self.backend, inputs[0], self.shape),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (GetItem(self.index).apply(grad_outputs)[0],)


def get_item(x: VariableLike, slices: Any) -> Variable:
    """Return x[slices].

    Args:
        x: Any shape.
        slices: An integer, a slice, None, an ellipsis, an integer array, a boolean mask, or a tuple of these. Arrays
            may be lists, and arrays of the host or of ``x``'s device. A mask makes the result's shape depend on
            values, so that the host waits for the device.

    Returns:
        What NumPy's rules of indexing say. Where an index array names a place more than once, the gradient there is
        the sum, always in the same order.

    Raises:
        IndexError: Another kind of index, too many, or out of range. Where the device would have to be waited for,
            index arrays are checked in debug mode only.
        SynchronizationError: A mask, where ``config.forbid_synchronization`` is on.

    >>> x = Variable(np.arange(6.0).reshape(2, 3))
    >>> get_item(x, (0, slice(1, None))).array
    array([1., 2.])
    >>> y = get_item(x, ([0, 1, 1], [2, 0, 0]))
    >>> y.sum().backward()
    >>> x.grad
    array([[0., 0., 1.],
           [2., 0., 0.]])
    """
    x = as_variable(x)
    return GetItem(read_index(slices, x)).apply((x,))[0]


def read_index(key: Any, x: Variable) -> Index:
    """Return a key for ``x``, with its arrays brought to ``x``'s device.

    Raises:
        IndexError: Another kind of index, too many, or index arrays out of range.
    """
    items = key if isinstance(key, tuple) else (key,)
    basic = True
    for item in items:
        if item.__class__ is not slice and item.__class__ is not int and item is not None and item is not Ellipsis:
            basic = False
    if basic:
        if not any(item is Ellipsis for item in items):
            items = (*items, Ellipsis)
        return Index(items)
    return _with_arrays(_one_per_axis([_read_item(item, x.device) for item in items], x), x)


def _read_item(item: Any, device: Device) -> Any:
    """Return one part of a key as an integer, a slice, None, an ellipsis, or an array on ``device``."""
    if item is None or isinstance(item, slice | EllipsisType):
        return item
    item = as_array(item)
    if isinstance(item, list):
        xp, native = device.xp, device.native
        item = xp.asarray(item, device=native) if item else xp.zeros(0, dtype=xp.int64, device=native)
    elif is_scalar(item):
        if isinstance(item, bool) or not hasattr(type(item), "__index__"):
            raise IndexError(f"index {item!r}: {_EXPECTED}")
        try:
            return operator.index(item)
        except TypeError:
            raise IndexError(f"index {item!r}: {_EXPECTED}") from None
    if not hasattr(item, "shape"):
        raise IndexError(f"index of type {type(item).__name__}: {_EXPECTED}")
    item = device.send(item)
    dtype = device.backend.host_dtype(item.dtype)
    if dtype.kind not in "iub" or (dtype.kind == "b" and item.ndim == 0):
        raise IndexError(f"index array of dtype {dtype} and {item.ndim} axes: {_EXPECTED}")
    return item


def _is_mask(item: Any, device: Device) -> bool:
    return hasattr(item, "dtype") and device.backend.host_dtype(item.dtype).kind == "b"


def _one_per_axis(items: list[Any], x: Variable) -> list[Any]:
    """Return a key with one item for each axis of ``x``, and None for new ones: ellipsis and masks are written out."""
    device = x.device
    masks = [_is_mask(item, device) for item in items]
    widths = [0 if i is None or i is Ellipsis else i.ndim if mask else 1 for i, mask in zip(items, masks, strict=True)]
    ellipses = [place for place, item in enumerate(items) if item is Ellipsis]
    if sum(widths) > x.ndim:
        raise IndexError(f"{sum(widths)} indices: the array has {x.ndim} axes")
    if len(ellipses) > 1:
        raise IndexError(f"{len(ellipses)} ellipses: expected one at most")
    left_over = [slice(None)] * (x.ndim - sum(widths))
    expanded: list[Any] = []
    axis = 0
    for item, mask, width in zip(items, masks, widths, strict=True):
        if mask:
            if item.shape != x.shape[axis : axis + width]:
                raise IndexError(f"mask of shape {item.shape}: the axes have lengths {x.shape[axis : axis + width]}")
            if config.forbid_synchronization:
                raise SynchronizationError("the shape of x[mask] depends on values; keep the shape with where()")
            expanded.extend(device.xp.nonzero(item))
        else:
            expanded.extend(left_over if item is Ellipsis else [item])
        axis += len(left_over) if item is Ellipsis else width
    return expanded if ellipses else expanded + left_over


def _with_arrays(items: list[Any], x: Variable) -> Index:
    """Return the two steps of a key that has one item for each axis: slices and integers first, then arrays."""
    basic: list[Any] = []
    arrays: list[Array] = []
    axes: list[int] = []  # of what the slices leave over
    lengths: list[int] = []
    stood: list[tuple[int, int]] = []  # arrays and integers: place in the key, and axes before it that stay
    kept = axis = 0
    for place, item in enumerate(items):
        if item is None or isinstance(item, slice):
            kept += 1
        else:
            stood.append((place, kept - len(axes)))
        if hasattr(item, "dtype"):
            _refuse_out_of_range(item, x.shape[axis], x.device)
            arrays.append(item)
            axes.append(kept)
            lengths.append(x.shape[axis])
            kept += 1
            item = slice(None)
        basic.append(item)
        axis += item is not None
    if not arrays:
        return Index(tuple(basic))
    # NumPy's rule: side by side, the index arrays' axes come where they stood; else, in front.
    together = stood[-1][0] - stood[0][0] + 1 == len(stood)
    position = stood[0][1] if together else 0
    try:
        joined = index_arrays(x.device.backend, tuple(arrays), tuple(axes), tuple(lengths), position)
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise IndexError(f"index arrays of shapes {shapes} do not broadcast to one shape") from None
    return Index(tuple(basic), joined)


def _refuse_out_of_range(index: Array, length: int, device: Device) -> None:
    """Raise where an index is out of range: on the host always, elsewhere in debug mode, since it waits."""
    if math.prod(index.shape) == 0 or not (device.backend.on_host or current_state().debug):
        return
    lowest, highest = int(device.xp.min(index)), int(device.xp.max(index))
    if lowest < -length or highest >= length:
        wrong = lowest if lowest < -length else highest
        raise IndexError(f"index {wrong} is out of bounds for an axis of length {length}")
