"""Moving axes to new places."""

from __future__ import annotations

from kusari.autograd import Variable, as_variable
from kusari.autograd.axes import normal_axes
from kusari.autograd.shaping import Transpose
from kusari.autograd.variable import VariableLike


class Moveaxis(Transpose):
    """Some axes at new places, the others in their order."""


def moveaxis(x: VariableLike, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Variable:
    """Move axes to new places; the others stay in their order.

    Args:
        x: Any shape.
        source: One axis or several.
        destination: Where each of them comes in the result.

    Raises:
        InvalidType: There is no such axis.
        ValueError: Different numbers of axes, or an axis named twice.
        TypeError: Neither integers nor tuples of integers.

    >>> moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = as_variable(x)
    sources, destinations = (normal_axes("moveaxis", axes, x.ndim) for axes in (source, destination))
    if len(sources) != len(destinations):
        raise ValueError(f"moveaxis(source={source}, destination={destination}): expected equally many axes")
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for place, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(place, axis)
    return Moveaxis(tuple(order)).apply((x,))[0]
