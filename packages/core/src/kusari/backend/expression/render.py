"""What all renderers of expressions to source share: the statements of the loop's body and the scalars' prologue.

A renderer is a `Syntax` (a table: how one language writes each operation) and a frame (function header, loop, loads
and stores), which it wraps around `statements` and `results`. Values are called ``v3``, scalar arguments ``s3``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from kusari.backend.expression.dtypes import Dtype, Dtypes
from kusari.backend.expression.operations import ROUNDING
from kusari.backend.expression.program import Expression, Instruction, NotElementwise

INFIX: Mapping[str, str] = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/",
    "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=",
    "logical_and": "&", "logical_or": "|", "logical_xor": "!=",
}  # fmt: skip

# Arithmetic that C, Python and Triton write alike.
_COMMON: Mapping[str, str] = {
    "negative": "-{0}",
    "square": "{0} * {0}",
    "reciprocal": "1 / {0}",
    "logical_not": "{0} == 0",
    "isnan": "{0} != {0}",
    "isfinite": "{0} - {0} == 0",
    "isinf": "({0} == {0}) & ({0} - {0} != 0)",
}
_COMMON_INTEGER: Mapping[str, str] = {
    **dict.fromkeys(ROUNDING, "{0}"),
    "isnan": "{0} != {0}",
    "isfinite": "{0} == {0}",
    "isinf": "{0} != {0}",
}
# Conditions under which the first operand is taken: a NaN in either operand survives, as in the standard.
_SELECTIONS: Mapping[str, str] = {
    "maximum": "({0} >= {1}) | ({0} != {0})",
    "minimum": "({0} <= {1}) | ({0} != {0})",
}


@dataclass(frozen=True, kw_only=True)
class Syntax:
    """How a language writes expressions.

    Attributes:
        name: Of the language, for messages.
        types: Spelling of each dtype it knows, by NumPy's name.
        cast: ``{type}`` and ``{value}``: a conversion that can stand as an operand.
        literal: ``{type}`` and ``{value}``: a constant of a dtype.
        words: Spelling of ``True``, ``False``, ``inf``, ``-inf`` and ``nan`` where it is not Python's.
        templates: What is not infix, by operation: ``"exp": "exp({0})"``. ``"where"`` also gives ``"maximum"`` and
            ``"minimum"`` if they have no template of their own.
        typed: Templates for one dtype: ``("exp", "float32")``, or ``("abs", "integer")`` for integers and bool.
        infix: Binary operators.
        held: Dtypes in which values of others are computed: ``{"float16": "float32"}``. Loads and stores convert.
        recast: Kinds of dtype (``"biuf"``) whose results need a cast, because the language would keep a wider type.
        typed_scalars: Scalar arguments arrive in their `scalar_dtypes`; otherwise each use casts them.
    """

    name: str
    types: Mapping[str, str]
    cast: str
    literal: str = "{value}"
    words: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    infix: Mapping[str, str] = field(default_factory=lambda: INFIX)
    held: Mapping[str, str] = field(default_factory=dict)
    recast: str = ""
    typed_scalars: bool = True

    def type_name(self, dtype: Dtype) -> str:
        """Spell a dtype."""
        if dtype.name not in self.types:
            raise NotElementwise(f"{self.name} has no {dtype}")
        return self.types[dtype.name]

    def held_as(self, dtype: Dtype) -> Dtype:
        """Return the dtype in which values of ``dtype`` are computed."""
        return np.dtype(self.held[dtype.name]) if dtype.name in self.held else dtype

    def convert(self, text: str, source: Dtype | None, target: Dtype) -> str:
        """Cast ``text`` from one dtype to another, if they differ (``source`` None: always)."""
        if source is not None and source == target:  # NumPy holds that float64 == None
            return text
        return self.cast.format(type=self.type_name(target), value=text)

    def constant(self, value: bool | int | float, dtype: Dtype) -> str:
        """Write a constant of a dtype."""
        if dtype.kind == "b":
            value = bool(value)
        elif dtype.kind not in "iu":
            value = float(value)
        text = repr(value)
        if text in self.words or not math.isfinite(value):
            text = self.words.get(text, f"float('{text}')")
        return self.literal.format(type=self.type_name(dtype), value=f"({text})" if text.startswith("-") else text)

    def template(self, op: str, dtype: Dtype) -> str:
        """Find how ``op`` is written for operands of a dtype."""
        integer = dtype.kind in "biu"
        if (op, dtype.name) in self.typed:
            return self.typed[op, dtype.name]
        if integer and (op, "integer") in self.typed:
            return self.typed[op, "integer"]
        if integer and op in _COMMON_INTEGER:
            return _COMMON_INTEGER[op]
        if op in self.templates:
            return self.templates[op]
        if op in self.infix:
            return f"{{0}} {self.infix[op]} {{1}}"
        if op in _SELECTIONS and "where" in self.templates:
            return self.templates["where"].format(_SELECTIONS[op], "{0}", "{1}")
        if op in _COMMON:
            return _COMMON[op]
        raise NotElementwise(f"{self.name} has no {op} for {dtype}")


class Statement(NamedTuple):
    """``target = text``; ``type`` spells the type of ``target`` for languages that declare it."""

    target: str
    type: str
    text: str


def statements(expression: Expression, dtypes: Dtypes, syntax: Syntax, loads: Sequence[str]) -> list[Statement]:
    """Write the body of the loop, one statement per value.

    Args:
        expression: The traced kernel.
        dtypes: What `infer_dtypes` gave for it.
        syntax: The language.
        loads: How to read the current element of each array: ``"a0[i]"``, ``"tl.load(a0 + i, mask=live)"``.

    Raises:
        NotElementwise: The language lacks a dtype or an operation.
    """
    writer = _Writer(expression, dtypes, syntax)
    return [writer.statement(position, loads) for position in writer.positions()]


def results(expression: Expression, dtypes: Dtypes, syntax: Syntax) -> list[str]:
    """Write what to store for each output, in the output's own dtype."""
    return [
        syntax.convert(f"v{output}", syntax.held_as(dtype), dtype)
        for output, dtype in zip(expression.outputs, dtypes.outputs(expression), strict=True)
    ]


class Prologue(NamedTuple):
    """Scalar subexpressions, such as 1 − β₂: run once a call, on the host, in double.

    Attributes:
        parameters: The kernel's scalar parameters.
        lines: Python statements over them.
        arguments: Python names of the values that the loop takes, one for each of ``names``.
        names: What `statements` calls them.
        positions: Where they are in the program.
    """

    parameters: tuple[str, ...]
    lines: tuple[str, ...]
    arguments: tuple[str, ...]
    names: tuple[str, ...]
    positions: tuple[int, ...]


def prologue(expression: Expression) -> Prologue:
    """Separate what depends on scalars alone from the loop.

    >>> from kusari.backend.expression import trace
    >>> def blend(backend: Backend, m: Array, g: Array, beta: float) -> Array:
    ...     return m + (1 - beta) * (g - m)
    >>> found = prologue(trace(blend, "blend"))
    >>> found.lines, found.arguments
    (('beta = float(beta)', 'scalar_4 = 1 - beta'), ('scalar_4',))
    """
    weak = _weak_positions(expression)
    used = {
        operand
        for position, instruction in enumerate(expression.program)
        if position not in weak
        for operand in instruction.value_operands
        if operand in weak and expression.program[operand].op != "constant"
    }
    names: dict[int, str] = {}
    lines: list[str] = []
    for position in sorted(weak):
        instruction = expression.program[position]
        if instruction.op == "constant":
            names[position] = _python_constant(instruction.constant)
        elif instruction.op == "scalar":
            names[position] = expression.scalars[instruction.position]
            lines.append(f"{names[position]} = float({names[position]})")
        else:
            names[position] = f"scalar_{position}"
            template = _PYTHON.template(instruction.op, np.dtype(float))
            lines.append(f"{names[position]} = {template.format(*(names[a] for a in instruction.operands))}")
    positions = tuple(sorted(used))
    return Prologue(
        parameters=expression.scalars,
        lines=tuple(lines),
        arguments=tuple(names[position] for position in positions),
        names=tuple(f"s{position}" for position in positions),
        positions=positions,
    )


def prologue_function(expression: Expression) -> Callable[..., tuple[float, ...]]:
    """Compile the prologue: the kernel's scalars in, the loop's scalar arguments out.

    >>> from kusari.backend.expression import trace
    >>> def blend(backend: Backend, m: Array, g: Array, beta: float) -> Array:
    ...     return m + (1 - beta) * (g - m)
    >>> prologue_function(trace(blend, "blend"))(0.75)
    (0.25,)
    """
    found = prologue(expression)
    body = [*found.lines, f"return ({''.join(f'{name}, ' for name in found.arguments)})"]
    source = "\n    ".join([f"def scalars({', '.join(found.parameters)}):", *body])
    namespace: dict[str, Any] = {}
    exec(compile(source, f"<prologue of {expression.name}>", "exec"), namespace)
    function: Callable[..., tuple[float, ...]] = namespace["scalars"]
    return function


def scalar_dtypes(expression: Expression, dtypes: Dtypes, syntax: Syntax) -> tuple[Dtype, ...]:
    """Give each scalar argument of the loop the dtype in which it is used, the widest if there are several."""
    uses: dict[int, list[Dtype]] = {position: [] for position in prologue(expression).positions}
    for position, instruction in enumerate(expression.program):
        dtype = dtypes.operands[position]
        if isinstance(dtype, np.dtype):
            for operand in instruction.value_operands:
                if operand in uses:
                    uses[operand].append(syntax.held_as(dtype))
    return tuple(np.result_type(*found) for found in uses.values())


def _weak_positions(expression: Expression) -> set[int]:
    weak: set[int] = set()
    for position, instruction in enumerate(expression.program):
        if instruction.op != "array" and all(operand in weak for operand in instruction.operands):
            weak.add(position)
    return weak


def _python_constant(value: bool | int | float) -> str:
    text = repr(value) if math.isfinite(value) else f"float('{value!r}')"
    return f"({text})" if text.startswith("-") else text


_PYTHON = Syntax(name="Python", types={}, cast="{value}", templates={"pow": "{0} ** {1}", "abs": "abs({0})"})


@dataclass(frozen=True)
class _Writer:
    expression: Expression
    dtypes: Dtypes
    syntax: Syntax

    def positions(self) -> Iterator[int]:
        """What the loop computes: not scalars, and not arrays that only lend their dtype."""
        needed = set(self.expression.outputs)
        for position in reversed(range(len(self.expression.program))):
            if position in needed:
                needed.update(self.expression.program[position].value_operands)
        return (position for position in sorted(needed) if isinstance(self.dtypes.results[position], np.dtype))

    def statement(self, position: int, loads: Sequence[str]) -> Statement:
        instruction = self.expression.program[position]
        dtype = np.dtype(self.dtypes.results[position])
        held = self.syntax.held_as(dtype)
        if instruction.op == "array":
            text = self.syntax.convert(loads[instruction.position], dtype, held)
        elif instruction.op == "astype":
            text = self._astype(instruction, dtype)
        else:
            text = self._operation(position, instruction)
            if held.kind in self.syntax.recast:
                text = self.syntax.convert(text, None, held)
        return Statement(f"v{position}", self.syntax.type_name(held), text)

    def _operation(self, position: int, instruction: Instruction) -> str:
        works_in = self.syntax.held_as(np.dtype(self.dtypes.operands[position]))
        given = [
            f"v{operand}" if instruction.op == "where" and place == 0 else self._operand(operand, works_in)
            for place, operand in enumerate(instruction.operands)
        ]
        return self.syntax.template(instruction.op, works_in).format(*given)

    def _operand(self, position: int, target: Dtype) -> str:
        """A value as an operand of a given dtype."""
        instruction = self.expression.program[position]
        if instruction.op == "constant":
            return self.syntax.constant(instruction.constant, target)
        dtype = self.dtypes.results[position]
        if isinstance(dtype, np.dtype):
            return self.syntax.convert(f"v{position}", self.syntax.held_as(dtype), target)
        return self.syntax.convert(f"s{position}", self._scalar_dtypes.get(position), target)

    @cached_property
    def _scalar_dtypes(self) -> dict[int, Dtype]:
        if not self.syntax.typed_scalars:
            return {}
        positions = prologue(self.expression).positions
        return dict(zip(positions, scalar_dtypes(self.expression, self.dtypes, self.syntax), strict=True))

    def _astype(self, instruction: Instruction, target: Dtype) -> str:
        """Rounds to ``target`` even where values of that dtype are held in a wider one."""
        source = np.dtype(self.dtypes.results[instruction.operands[0]])
        held, text = self.syntax.held_as(source), f"v{instruction.operands[0]}"
        if source != target:
            special = self.syntax.typed.get(("astype", target.name))
            text = special.format(text) if special else self.syntax.convert(text, held, target)
            held = target
        return self.syntax.convert(text, held, self.syntax.held_as(target))
