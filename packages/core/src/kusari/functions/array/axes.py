"""What the functions of this folder share: axes, sequences of inputs, and the errors about them."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import invalid
from kusari.autograd.variable import VariableLike, constant
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


def normal_axis(operation: str, axis: Any, ndim: int) -> int:
    """Return an axis counted from 0.

    Raises:
        TypeError: Not an integer.
        InvalidType: There is no such axis.

    >>> normal_axis("Flip", -1, 3)
    2
    """
    number = integer(f"{operation}: axis", axis)
    if not -ndim <= number < ndim:
        raise invalid(operation, f"-{ndim} <= axis < {ndim}, an axis of the input", f"axis = {number}")
    return number % ndim


def normal_axes(operation: str, axes: Any, ndim: int) -> Shape:
    """Return one axis or several, counted from 0.

    Raises:
        ValueError: The same axis twice.
    """
    numbers = tuple(
        normal_axis(operation, axis, ndim) for axis in (axes if isinstance(axes, tuple | list) else (axes,))
    )
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"{operation}: axes {axes!r} name one axis twice")
    return numbers


def inputs_of(operation: str, xs: Iterable[VariableLike]) -> tuple[VariableLike, ...]:
    """Return a sequence of inputs as a tuple.

    Raises:
        TypeError: One array instead of a sequence.
        InvalidType: No input at all.
    """
    if isinstance(xs, Variable) or hasattr(xs, "shape"):
        raise TypeError(f"{operation}: expected a list or tuple of inputs, got one {type(xs).__name__}")
    inputs = tuple(xs)
    if not inputs:
        raise invalid(operation, "in_types.size() > 0", "no input")
    return inputs


def expect_same_dtype(in_types: Any) -> None:
    """State that all inputs have the first one's dtype.

    Raises:
        InvalidType: Naming the input.
    """
    first = in_types[0].dtype
    for index, info in enumerate(in_types):
        if info.dtype != first:
            raise InvalidType(
                f"in_types[{index}].dtype == in_types[0].dtype; cast with F.cast", f"{info.dtype} != {first}"
            )


def all_gradients(node: FunctionNode, grad_outputs: tuple[Variable | None, ...], shapes: list[Shape]) -> list[Variable]:
    """Return one gradient per output, zeros where none arrived."""
    xp, dtype = node.backend.xp, next(g for g in grad_outputs if g is not None).array.dtype
    return [
        constant(xp.zeros(shape, dtype=dtype, device=node.device.native), node.device) if g is None else g
        for g, shape in zip(grad_outputs, shapes, strict=True)
    ]
