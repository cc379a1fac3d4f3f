"""Evaluation of an expression with any array module: the reference for compiled loops, and their fallback."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kusari.backend.expression.program import Expression, Instruction

# Operators serve arrays and Python scalars alike; everything else is looked up in the array module.
_OPERATORS: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "pow": operator.pow,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "less": operator.lt,
    "less_equal": operator.le,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "logical_and": operator.and_,
    "logical_or": operator.or_,
    "negative": operator.neg,
    "abs": operator.abs,
}


def evaluate(expression: Expression, xp: Any, arrays: Sequence[Any], scalars: Sequence[float] = ()) -> Any:
    """Run the program with the array module ``xp``.

    Args:
        expression: The traced kernel.
        xp: An array-API namespace (2024.12).
        arrays: Values of ``expression.arrays``; their shapes broadcast.
        scalars: Values of ``expression.scalars``, taken as Python floats.

    Returns:
        What the kernel returns: an array or a tuple of arrays.

    >>> from kusari.backend.expression import trace
    >>> def lerp(backend: Backend, x: Array, y: Array, t: float) -> Array:
    ...     return x + t * (y - x)
    >>> evaluate(trace(lerp, "lerp"), np, [np.array([0.0, 1.0]), np.array([4.0, 5.0])], [0.25])
    array([1., 2.])
    """
    if len(arrays) != len(expression.arrays) or len(scalars) != len(expression.scalars):
        raise TypeError(
            f"{expression.name} takes the arrays {expression.arrays} and the scalars {expression.scalars}, "
            f"got {len(arrays)} arrays and {len(scalars)} scalars"
        )
    values: list[Any] = []
    for instruction in expression.program:
        values.append(_run(instruction, xp, arrays, scalars, values))
    outputs = tuple(xp.asarray(values[output]) for output in expression.outputs)  # NumPy makes 0-d arrays scalars
    return outputs if expression.returns_tuple else outputs[0]


def _run(
    instruction: Instruction, xp: Any, arrays: Sequence[Any], scalars: Sequence[float], values: Sequence[Any]
) -> Any:
    op, dtype = instruction.op, instruction.detail
    if op == "constant":
        return instruction.constant
    if op == "array":
        return arrays[instruction.position]
    if op == "scalar":
        return float(scalars[instruction.position])
    operands = [values[position] for position in instruction.operands]
    if op == "astype":
        value = xp.asarray(operands[0])
        return xp.astype(value, operands[1].dtype if dtype is None else _native_dtype(xp, str(dtype)))
    function = _OPERATORS.get(op) or getattr(xp, op)
    return function(*operands)


def _native_dtype(xp: Any, name: str) -> Any:
    """``xp.float32``; the NumPy dtype for what the standard does not name (bfloat16)."""
    native = getattr(xp, name, None)
    return np.dtype(name) if native is None else native
