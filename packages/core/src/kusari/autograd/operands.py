"""Operands: numbers and bare arrays beside a Variable take its dtype; two Variables must agree on one."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any, Final

from kusari.autograd.function_node import FunctionNode
from kusari.autograd.type_check import invalid
from kusari.autograd.variable import Variable, as_variable, constant
from kusari.errors import InvalidType

if TYPE_CHECKING:
    import numpy as np

INTEGERS: Final = "biu"
"""The kinds of dtype that hold integers or truth values."""


def is_scalar(value: Any) -> bool:
    """Tell whether ``value`` is a number rather than an array (the host's scalar objects are numbers)."""
    return isinstance(value, numbers.Number) or (getattr(value, "ndim", None) == 0 and hasattr(type(value), "tobytes"))


def scalar(x: Variable, value: Any) -> Any:
    """Return a number as a plain Python one that does not change ``x``'s dtype: constants take the array's."""
    if value.__class__ is float or value.__class__ is int:
        plain = value
    else:
        plain = value.item() if hasattr(value, "item") else value
    if (plain.__class__ is float and x.dtype.kind in "biu") or (plain.__class__ is bool and x.dtype.kind != "b"):
        return int(plain)
    return plain


def operand(x: Variable, value: Any) -> Variable:
    """Return the other side of an operator as a Variable: a bare array is cast to ``x``'s dtype."""
    if isinstance(value, Variable):
        return value
    other = as_variable(value)
    if other.dtype != x.dtype:
        backend = other.device.backend
        return constant(backend.xp.astype(other.array, backend.native_dtype(x.dtype)), other.device)
    return other


def refuse_promotion(node: FunctionNode, x: Any, y: Any) -> None:
    """Raise where two arrays differ in dtype: nothing is promoted behind the user's back.

    Raises:
        InvalidType: Naming the operation and both dtypes.
    """
    if x.dtype != y.dtype:
        expected = "in_types[0].dtype == in_types[1].dtype: operands of one dtype; cast one with F.cast"
        raise invalid(node.label, expected, f"{x.dtype} != {y.dtype}")


def refuse_integers(node: FunctionNode, x: Any) -> None:
    """Raise where an array holds integers or truth values: the result would be floating, and no gradient its.

    Raises:
        InvalidType: Naming the operation and the dtype.
    """
    dtype = node.backend.host_dtype(x.dtype)
    if dtype.kind in INTEGERS:
        raise integers_refused(node.label, dtype)


def integers_refused(label: str, dtype: np.dtype[Any]) -> InvalidType:
    """Return the error of an operation on floating numbers that was given others."""
    return invalid(label, "x.dtype is floating; cast it with F.cast", str(dtype))


def keep_dtype(node: FunctionNode, y: Any, x: Any) -> Any:
    """Return ``y`` in ``x``'s dtype: bfloat16 times a Python float is float32 on the host."""
    return y if y.dtype == x.dtype else node.backend.xp.astype(y, x.dtype)
