"""Dtypes of an expression's values, by NumPy's promotion (NEP 50)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from kusari.backend.expression.operations import LOGIC, ROUNDING, TEST
from kusari.backend.expression.program import Expression, Instruction, NotElementwise
from kusari.dtypes import host_dtype, is_floating

Dtype: TypeAlias = np.dtype[Any]
Weak: TypeAlias = type[bool] | type[int] | type[float]
"""What Python scalars have instead of a dtype."""


class Dtypes(NamedTuple):
    """One entry per instruction.

    Attributes:
        results: A dtype, or for what is computed from Python scalars alone the Python type.
        operands: The dtype in which the instruction works, to which its operands are cast first: for comparisons the
            promoted one, else that of the result (for ``where``: of its branches).
    """

    results: tuple[Dtype | Weak, ...]
    operands: tuple[Dtype | Weak, ...]

    def outputs(self, expression: Expression) -> tuple[Dtype, ...]:
        """Dtypes of the arrays that the kernel returns."""
        return tuple(np.dtype(self.results[output]) for output in expression.outputs)


def infer_dtypes(expression: Expression, arrays: Sequence[Any]) -> Dtypes:
    """Give every value its dtype.

    Python scalars are weak: float32 · 0.5 is float32, int32 · 0.5 is float64. So they are for bfloat16, where NumPy's
    own ``x * 0.5`` gives float32.

    Args:
        expression: The traced kernel.
        arrays: One dtype per array parameter, as anything that ``np.dtype`` takes.

    Raises:
        NotElementwise: An operation is not defined for these dtypes.

    >>> from kusari.backend.expression import trace
    >>> def halve(backend: Backend, x: Array) -> Array:
    ...     return 0.5 * x
    >>> halved = trace(halve, "halve")
    >>> [str(infer_dtypes(halved, [dtype]).outputs(halved)[0]) for dtype in ("float16", "float32", "int8")]
    ['float16', 'float32', 'float64']
    """
    if len(arrays) != len(expression.arrays):
        raise TypeError(f"{expression.name} has {len(expression.arrays)} arrays, got {len(arrays)} dtypes")
    leaves = [_array_dtype(name, dtype) for name, dtype in zip(expression.arrays, arrays, strict=True)]
    results: list[Dtype | Weak] = []
    operands: list[Dtype | Weak] = []
    for instruction in expression.program:
        result, operand = _infer(instruction, [results[a] for a in instruction.operands], leaves)
        _check_constants(expression, instruction, operand)
        results.append(result)
        operands.append(operand)
    return Dtypes(tuple(results), tuple(operands))


def _array_dtype(name: str, dtype: Any) -> Dtype:
    found: Dtype = np.dtype(dtype)
    if found.kind not in "biu" and not is_floating(found):
        raise NotElementwise(f"{name} has dtype {found}: elementwise kernels take bool, integer and floating arrays")
    return found.newbyteorder("=")


def _infer(
    instruction: Instruction, given: Sequence[Dtype | Weak], leaves: Sequence[Dtype]
) -> tuple[Dtype | Weak, Dtype | Weak]:
    """(dtype of the result, dtype in which it is computed)."""
    op = instruction.op
    if op == "array":
        leaf = leaves[instruction.position]
        return leaf, leaf
    if op == "scalar":
        return float, float
    if op == "constant":
        return type(instruction.constant), type(instruction.constant)
    if op == "astype":
        result = given[1] if instruction.detail is None else host_dtype(instruction.detail)
        return result, result
    if op in LOGIC and any(dtype not in (bool, np.dtype(bool)) for dtype in given):
        raise NotElementwise(f"xp.{op} of {_names(given)}: expected bool; compare first, for example x != 0")
    if not any(isinstance(dtype, np.dtype) for dtype in given):
        return _infer_weak(op, given)
    if op == "where":
        if given[0] != np.dtype(bool):
            raise NotElementwise(f"xp.where on a {_names(given[:1])} condition: expected bool; for example x != 0")
        branches = _promote(op, given[1:])
        return branches, branches
    promoted = _promote(op, given)
    if op in TEST or op in LOGIC:
        return np.dtype(bool), promoted
    if op in ROUNDING and promoted.kind in "biu":
        return promoted, promoted
    result = _ufunc_result(op, [dtype if isinstance(dtype, np.dtype) else promoted for dtype in given])
    return result, result


def _infer_weak(op: str, given: Sequence[Dtype | Weak]) -> tuple[Weak, Weak]:
    """What Python's own arithmetic gives."""
    if op in TEST or op in LOGIC:
        return bool, bool
    kind: Weak = float if float in given or op in ("divide", "pow") else int
    return kind, kind


def _promote(op: str, given: Sequence[Dtype | Weak]) -> Dtype:
    try:
        strong = np.result_type(*(dtype for dtype in given if isinstance(dtype, np.dtype)))
        if is_floating(strong):
            return strong
        return np.result_type(strong, *(weak(1) for weak in given if not isinstance(weak, np.dtype)))
    except TypeError as error:
        raise NotElementwise(f"xp.{op} of {_names(given)}: no common dtype; cast one with xp.astype") from error


def _ufunc_result(op: str, given: Sequence[Dtype]) -> Dtype:
    """Ask NumPy's own tables."""
    ufunc = np.rint if op == "round" else getattr(np, op)
    try:
        result: Dtype = ufunc.resolve_dtypes((*given, None))[-1]
    except TypeError as error:
        raise NotElementwise(f"xp.{op} is not defined for {_names(given)}; cast first with xp.astype") from error
    return result


def _check_constants(expression: Expression, instruction: Instruction, operand: Dtype | Weak) -> None:
    if not isinstance(operand, np.dtype) or operand.kind not in "iu":
        return
    for position in instruction.value_operands:
        if expression.program[position].op == "constant":
            value, limits = expression.program[position].constant, np.iinfo(operand)
            if not limits.min <= value <= limits.max:
                raise NotElementwise(f"xp.{instruction.op}: the literal {value} does not fit into {operand}")


def _names(given: Sequence[Dtype | Weak]) -> str:
    return " and ".join(str(dtype) if isinstance(dtype, np.dtype) else dtype.__name__ for dtype in given)
