"""Converters: from a list of examples to arrays on a device."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kusari.backend import Device, backend_of_array, get_device
from kusari.backend.selection import DeviceLike


class Converter:
    """Base of what turns a batch, as an iterator returns it, into what a model takes. Define ``__call__``.

    See `converter` for making one from a function.
    """

    def __call__(self, batch: Any, device: DeviceLike = None) -> Any:
        """Return the batch as arrays.

        Args:
            batch: A list of examples.
            device: Where arrays go; None: they stay where they are.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(batch, device)")


class FunctionConverter(Converter):
    """A function as a `Converter`, which is given a `Device` whatever its caller wrote."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, batch: Any, device: DeviceLike = None, **options: Any) -> Any:
        return self._function(batch, None if device is None else get_device(device), **options)

    def __reduce__(self) -> Any:
        # By its name, under which importing finds this object: a decorated function cannot be pickled itself.
        return self._function.__qualname__


def converter() -> Callable[[Callable[..., Any]], FunctionConverter]:
    """Make a `Converter` from a function of a batch and a device.

    The function is given a `Device` (or None), whatever its caller wrote: a name, or the number of a GPU.

    >>> @converter()
    ... def images_only(batch, device):
    ...     return to_device(device, np.stack([image for image, label in batch]))
    >>> images_only([(np.zeros(3), 0), (np.ones(3), 1)], "numpy").shape
    (2, 3)
    """
    return FunctionConverter


def to_device(device: DeviceLike, x: Any) -> Any:
    """Return an array on a device.

    Args:
        device: A `Device`, what names one, or a number: a GPU's, or below 0 for the host. None: ``x`` stays as it is.
        x: An array of any device, or a number; tuples and lists are gone through, None stays None.

    >>> to_device("numpy", [np.ones(2), 3])
    [array([1., 1.]), array(3)]
    """
    if device is None:
        return x
    return _send(get_device(device), x)


def _send(device: Device, x: Any) -> Any:
    if isinstance(x, list | tuple):
        return type(x)([_send(device, value) for value in x])
    return device.send(np.asarray(x) if isinstance(x, bool | int | float | complex | np.generic) else x)


@converter()
def concat_examples(batch: Sequence[Any], device: Device | None = None, padding: Any = None) -> Any:
    """Turn a list of examples into arrays with a batch axis in front.

    Examples that are tuples give a tuple of arrays (N, …), dicts give a dict, anything else one array.

    Args:
        batch: Examples, all of one kind: arrays or numbers, or tuples or dicts of these.
        device: Where the arrays go; None: where the examples are.
        padding: Fill arrays of different shapes up to the largest, at the end of each axis, with this number; a
            tuple or a dict has one (or None) per element. None: shapes must agree.

    Raises:
        ValueError: No examples, different shapes without ``padding``, or examples of different lengths.

    >>> concat_examples([(np.asarray([1, 2]), 0), (np.asarray([3]), 1)], padding=-1)
    (array([[ 1,  2],
            [ 3, -1]]), array([0, 1]))
    >>> concat_examples([{"x": 1.0}, {"x": 2.0}])
    {'x': array([1., 2.])}
    """
    if len(batch) == 0:
        raise ValueError("the batch is empty: there is nothing to concatenate")
    first = batch[0]
    if isinstance(first, tuple):
        _check_same(batch, len, "elements")
        paddings = padding if isinstance(padding, tuple) else (padding,) * len(first)
        return tuple(_column(batch, place, device, paddings[place]) for place in range(len(first)))
    if isinstance(first, dict):
        _check_same(batch, set, "keys")
        return {
            key: _column(batch, key, device, padding[key] if isinstance(padding, dict) else padding) for key in first
        }
    return _concatenated(batch, device, padding, "")


def _check_same(batch: Sequence[Any], what: Callable[[Any], Any], name: str) -> None:
    first = what(batch[0])
    for number, example in enumerate(batch):
        if not isinstance(example, type(batch[0])) or what(example) != first:
            raise ValueError(f"example {number} of the batch has other {name} than example 0: {example!r:.200}")


def _column(batch: Sequence[Any], key: Any, device: Device | None, padding: Any) -> Any:
    return _concatenated([example[key] for example in batch], device, padding, f"element {key!r}: ")


def _concatenated(values: Sequence[Any], device: Device | None, padding: Any, where: str) -> Any:
    """Return one array (N, …) on a device."""
    if _on_host(values):
        arrays = [np.asarray(value) for value in values]
        stacked = _padded(arrays, padding) if padding is not None else _stacked(np, arrays, where)
        if stacked.dtype.hasobject:
            raise ValueError(f"{where}a {type(values[0]).__name__} is not an array or a number; convert it first")
        return stacked if device is None else device.send(stacked)
    backend = backend_of_array(values[0])
    if padding is not None:
        # Element by element would be a launch for each: on the host it is one copy there and one back.
        arrays = [backend.to_host(value) for value in values]
        return (device or Device(backend, backend.index_of(values[0]))).send(_padded(arrays, padding))
    stacked = _stacked(backend.xp, values, where)
    return stacked if device is None else device.send(stacked)


def _on_host(values: Sequence[Any]) -> bool:
    first = values[0]
    if isinstance(first, np.ndarray | np.generic) or not hasattr(first, "dtype"):
        return True
    return backend_of_array(first).on_host


def _stacked(xp: Any, arrays: Sequence[Any], where: str) -> Any:
    shapes = sorted({tuple(array.shape) for array in arrays})
    if len(shapes) > 1:
        raise ValueError(
            f"{where}examples have different shapes: {', '.join(map(str, shapes[:4]))}{', …' if shapes[4:] else ''}; "
            "padding=0 fills the smaller ones up"
        )
    return xp.stack(arrays)


def _padded(arrays: Sequence[np.ndarray[Any, Any]], padding: Any) -> np.ndarray[Any, Any]:
    """Return arrays stacked, each filled up at the end of its axes, in the first one's dtype."""
    shape = _largest(array.shape for array in arrays)
    padded = np.full((len(arrays), *shape), padding, dtype=arrays[0].dtype)
    for number, array in enumerate(arrays):
        place: Any = (number, *map(slice, array.shape))
        padded[place] = array
    return padded


def _largest(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    listed = list(shapes)
    if len({len(shape) for shape in listed}) > 1:
        raise ValueError(f"padding needs arrays of one rank; there are shapes {sorted(set(listed), key=len)}")
    return tuple(max(lengths) for lengths in zip(*listed, strict=True))
