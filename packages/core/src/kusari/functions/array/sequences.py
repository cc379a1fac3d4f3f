"""What functions of a sequence of inputs share: the checks, and the gradients that did not arrive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import invalid
from kusari.autograd.variable import VariableLike, constant
from kusari.errors import InvalidType
from kusari.types import Shape


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
