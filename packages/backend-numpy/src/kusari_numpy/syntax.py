"""How numba writes an expression, and NumPy: a table, and the frames around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from kusari.backend.expression import (
    INFIX,
    Dtypes,
    Expression,
    NotElementwise,
    Syntax,
    infer_dtypes,
    prologue,
    results,
    scalar_dtypes,
    statements,
)
from kusari_numpy.choice import choose

NUMBA: Final = Syntax(
    name="numba",
    types={"bool": "np.bool_", "float32": "np.float32", "float64": "np.float64"},
    cast="{type}({value})",
    # A bare 0.5 is double, and so would be what it meets.
    literal="{type}({value})",
    words={"inf": "np.inf", "-inf": "-np.inf", "nan": "np.nan"},
    # No exp, log, tanh or pow: numba calls them number by number, 2 to 10 ns each, where NumPy has vectors of them.
    templates={
        **{name: f"np.{name}({{0}})" for name in ("sqrt", "floor", "ceil", "trunc")},
        "abs": "abs({0})",
        "round": "np.rint({0})",
        "where": "({1} if {0} else {2})",
    },
    typed={
        (op, dtype): template.replace("type", f"np.{dtype}")
        for dtype in ("float32", "float64")
        for op, template in {
            "sign": "(type(1) if {0} > type(0) else (type(-1) if {0} < type(0) else {0}))",
            "reciprocal": "type(1) / {0}",
            "logical_not": "{0} == type(0)",
        }.items()
    },
    recast="f",
)


def render(expression: Expression, given: Sequence[np.dtype[Any]], in_place: Sequence[int | None]) -> str:
    """Write the module of one fused loop over flat dense arrays, and of what calls it for many rows of them.

    ``loop`` takes arrays ``a0…``, new results ``o0…`` and scalars ``s…``. ``place`` writes a row's arrays into a table
    of addresses, and ``take_rows`` computes all rows of the table, a piece at a time; see `kusari_numpy.loops`.

    Args:
        expression: The traced kernel.
        given: The dtypes of its arrays.
        in_place: For each result the array that it replaces, or None. The loop must know: results that might overlap
            what is read would keep it from using vectors.

    Raises:
        NotElementwise: numba lacks a dtype or an operation, or does it slowly.
    """
    dtypes = infer_dtypes(expression, given)
    arrays = [f"a{place}" for place in range(len(expression.arrays))]
    operands = [*arrays, *[f"o{place}" for place, replaced in enumerate(in_place) if replaced is None]]
    targets = [f"o{place}" if replaced is None else f"a{replaced}" for place, replaced in enumerate(in_place)]
    loads = [f"{name}[i]" for name in arrays]
    body = [f"{line.target} = {line.text}" for line in statements(expression, dtypes, NUMBA, loads)]
    body += [f"{t}[i] = {value}" for t, value in zip(targets, results(expression, dtypes, NUMBA), strict=True)]
    made = [dtype for dtype, replaced in zip(dtypes.outputs(expression), in_place, strict=True) if replaced is None]
    views = [
        f"carray(pointer(table[row, {place}] + first * {dtype.itemsize}), (count,), {_named(dtype)})"
        for place, dtype in enumerate([*given, *made])
    ]
    scalars = [
        f"{_named(dtype)}(numbers[row, {place}])" for place, dtype in enumerate(scalar_kinds(expression, dtypes))
    ]
    return FRAME.format(
        parameters=", ".join([*operands, *prologue(expression).names]),
        body="".join(f"        {line}\n" for line in body),
        operands=", ".join(operands),
        addresses="".join(f"    table[row, {place}] = {name}.ctypes.data\n" for place, name in enumerate(operands)),
        size=len(operands),
        given="".join(f"            {text},\n" for text in [*views, *scalars]),
    )


def _named(dtype: np.dtype[Any]) -> str:
    return NUMBA.types.get(dtype.name, f"np.{dtype.name}")


def scalar_kinds(expression: Expression, dtypes: Dtypes) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes in which a loop takes what the expression's prologue makes of scalars."""
    return scalar_dtypes(expression, dtypes, NUMBA)


FRAME: Final = """\
import numpy as np
from kusari_numpy.compiled.addresses import pointer
from kusari_numpy.compiled.turns import take
from numba import carray


@jit
def loop({parameters}):
    for i in range(a0.shape[0]):
{body}

@jit
def place(table, row, {operands}):
{addresses}    table[row, {size}] = a0.shape[0]


@together
def take_rows(table, numbers, piece, turns):
    row = begin = 0
    part = take(turns, 0)
    while True:
        while row < len(table) and (part - begin) * piece >= table[row, {size}]:
            begin += -(-table[row, {size}] // piece)
            row += 1
        if row == len(table):
            return
        first = (part - begin) * piece
        count = min(piece, table[row, {size}] - first)
        loop(
{given}        )
        part = take(turns, 0)
"""
"""What `render` fills in; ``jit`` and ``together`` are put there before the module runs."""


def plain_function(expression: Expression, memory: Mapping[int, str] | None = None) -> Callable[..., Any]:
    """Return the expression as a Python function of (xp, *arrays, *scalars), one call of NumPy for each operation.

    `evaluate`, unrolled: relu of ten numbers takes 1.1 µs instead of 4.0.

    Args:
        expression: The traced kernel.
        memory: The names of arrays that instructions write to, see `memory_plan`: more parameters, in alphabetical
            order.

    >>> from kusari.backend.expression import trace
    >>> def lerp(backend: Backend, x: Array, y: Array, t: float) -> Array:
    ...     return x + t * (y - x)
    >>> plain_function(trace(lerp, "lerp"))(np, np.array([0.0, 1.0]), np.array([4.0, 5.0]), 0.25)
    array([1., 2.])
    """
    arrays = [f"a{place}" for place in range(len(expression.arrays))]
    scalars = [f"s{place}" for place in range(len(expression.scalars))]
    written = memory or {}
    space: dict[str, Any] = {"choose": choose}
    lines = []
    for place, (op, operands, detail) in enumerate(expression.program):
        given = [f"v{operand}" for operand in operands]
        if op == "constant":
            space[f"v{place}"] = expression.program[place].constant
            continue
        if op in ("array", "scalar"):
            text = f"a{detail}" if op == "array" else f"float(s{detail})"
        elif op == "astype":
            dtype = f"{given[1]}.dtype" if detail is None else f"np.dtype({detail!r})"
            text = f"xp.astype(xp.asarray({given[0]}), {dtype})"
        elif op == "where":
            into = [f"out={written[place]}"] if place in written else []
            text = f"choose({', '.join([*given, *into])})"
        elif place in written:
            text = f"xp.{op}({', '.join(given)}, out={written[place]})"
        elif op in INFIX and op != "logical_xor":
            text = f" {INFIX[op]} ".join(given)
        else:
            text = f"-{given[0]}" if op == "negative" else f"xp.{op}({', '.join(given)})"
        lines.append(f"v{place} = {text}")
    made = [f"xp.asarray(v{output})" for output in expression.outputs]  # NumPy makes 0-d arrays scalars
    lines.append(f"return ({', '.join(made)},)" if expression.returns_tuple else f"return {made[0]}")
    parameters = ["xp", *arrays, *scalars, *sorted(set(written.values()))]
    source = f"def {expression.name}({', '.join(parameters)}):\n" + "".join(f"    {t}\n" for t in lines)
    exec(compile("import numpy as np\n" + source, f"<plain {expression.name}>", "exec"), space)
    function: Callable[..., Any] = space[expression.name]
    return function


def memory_plan(
    expression: Expression, dtypes: Sequence[Any], in_place: Sequence[int | None]
) -> tuple[dict[int, str], dict[str, np.dtype[Any]]]:
    """Return which memory instructions write to, and the dtypes of scratch memory.

    Results ``o…`` are written where they belong, but not over an array that is still to be read; scratch memory
    ``w…`` is used again as soon as nobody reads what is in it.

    Args:
        expression: The traced kernel.
        dtypes: Of its arrays, which share one shape.
        in_place: For each result the array that it replaces, or None.

    >>> from kusari.backend.expression import trace
    >>> def lerp(backend: Backend, x: Array, y: Array, t: float) -> Array:
    ...     return x + t * (y - x)
    >>> memory_plan(trace(lerp, "lerp"), ["f", "f"], [0])  # y - x, t times that, and the sum
    ({3: 'w0', 4: 'w0', 5: 'o0'}, {'w0': dtype('float32')})
    """
    try:
        made = infer_dtypes(expression, dtypes).results
    except NotElementwise:
        return {}, {}
    program, outputs = expression.program, list(expression.outputs)
    last = {operand: place for place, step in enumerate(program) for operand in step.operands}
    read_until = {step.detail: last.get(place, -1) for place, step in enumerate(program) if step.op == "array"}
    memory: dict[int, str] = {}
    scratch: dict[str, np.dtype[Any]] = {}
    idle: list[str] = []
    for place, (op, operands, _) in enumerate(program):
        idle += {memory[o] for o in operands if last[o] == place and memory.get(o, "o").startswith("w")}
        dtype = made[place]
        writes = op == "where" or isinstance(getattr(np, op, None), np.ufunc)
        if not isinstance(dtype, np.dtype) or dtype.char not in "fd" or not writes:
            continue
        if place in outputs:
            number = outputs.index(place)
            source = in_place[number]
            if source is None or read_until.get(source, -1) <= place:
                memory[place] = f"o{number}"
            continue
        fitting = [name for name in idle if scratch[name] == dtype]
        name = fitting[0] if fitting else f"w{len(scratch)}"
        if fitting:
            idle.remove(name)
        scratch[name] = dtype
        memory[place] = name
    return memory, scratch
