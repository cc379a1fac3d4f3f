"""Rolling an axis back to a place."""

from __future__ import annotations

from kusari.autograd import Variable, as_variable
from kusari.autograd.axes import integer, normal_axis
from kusari.autograd.shaping import Transpose
from kusari.autograd.type_check import invalid
from kusari.autograd.variable import VariableLike


class Rollaxis(Transpose):
    """One axis in front of another, the others in their order."""


def rollaxis(x: VariableLike, axis: int, start: int = 0) -> Variable:
    """Move an axis in front of another; the others stay in their order.

    Args:
        x: Any shape.
        axis: Which.
        start: The axis of ``x`` that it comes in front of; as many as ``x`` has: to the end.

    Raises:
        InvalidType: ``x`` has no such axis.
        TypeError: Not integers.

    >>> rollaxis(np.zeros((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    x = as_variable(x)
    rolled, place = normal_axis("rollaxis", axis, x.ndim), integer("rollaxis(): start", start)
    if not -x.ndim <= place <= x.ndim:
        raise invalid("Rollaxis", f"-{x.ndim} <= start <= {x.ndim}", f"start = {place}")
    place = place + x.ndim if place < 0 else place
    order = [other for other in range(x.ndim) if other != rolled]
    order.insert(place - 1 if place > rolled else place, rolled)
    return Rollaxis(tuple(order)).apply((x,))[0]
