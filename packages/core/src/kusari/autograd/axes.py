"""Axes as arguments: counted from 0 or from the end, one or several, or all."""

from __future__ import annotations

import operator
from typing import Any

from kusari.errors import InvalidType
from kusari.types import Shape


def integer(argument: str, value: Any) -> int:
    """Return an integer argument; ``argument`` names function and argument, for the message.

    Raises:
        TypeError: Not an integer.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{argument}={value!r}: expected an integer") from None


def normal_axis(function: str, axis: Any, ndim: int, of: str = "array") -> int:
    """Return an axis counted from 0.

    Args:
        function: Its name, for the message.
        axis: As it was given.
        ndim: How many axes there are.
        of: What has them, for the message.

    Raises:
        TypeError: Not an integer.
        InvalidType: There is no such axis.

    >>> normal_axis("flip", -1, 3)
    2
    """
    number = integer(f"{function}(): axis", axis)
    if not -ndim <= number < ndim:
        raise InvalidType(
            f"-{ndim} <= axis < {ndim}", f"axis = {number}", f"{function}(axis={number}): the {of} has {ndim} axes"
        )
    return number % ndim


def normal_axes(function: str, axes: Any, ndim: int) -> Shape:
    """Return one axis, or a tuple or list of several, counted from 0.

    Raises:
        ValueError: The same axis twice.
    """
    several = axes if isinstance(axes, tuple | list) else (axes,)
    numbers = tuple([normal_axis(function, axis, ndim) for axis in several])
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"{function}(axis={axes!r}): the same axis twice")
    return numbers


def reduced_axes(function: str, axis: int | tuple[int, ...] | None, ndim: int) -> Shape:
    """Return the axes that a reduction is over, counted from 0; None: all.

    Raises:
        InvalidType: An axis that the array does not have.
        ValueError: An axis twice.
        TypeError: Neither None nor an int nor a tuple of ints.

    >>> reduced_axes("sum", (0, -1), 3)
    (0, 2)
    """
    if axis is None:
        return tuple(range(ndim))
    try:
        numbers = tuple(map(operator.index, axis if isinstance(axis, tuple) else (axis,)))
    except TypeError:
        raise TypeError(f"{function}(axis={axis!r}): expected None, an int or a tuple of ints") from None
    return normal_axes(function, numbers, ndim)
