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
    statements,
)

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


def render(expression: Expression, dtypes: Dtypes, in_place: Sequence[int | None]) -> str:
    """Write the module of one fused loop over flat dense arrays.

    Parameters: arrays ``a0…``, new results ``o0…``, scalars ``s…``.

    Args:
        expression: The traced kernel.
        dtypes: Of its values.
        in_place: For each result the array that it replaces, or None. The loop must know: results that might overlap
            what is read would keep it from using vectors.

    Raises:
        NotElementwise: numba lacks a dtype or an operation, or does it slowly.
    """
    arrays = [f"a{place}" for place in range(len(expression.arrays))]
    new = [f"o{place}" for place, replaced in enumerate(in_place) if replaced is None]
    targets = [f"o{place}" if replaced is None else f"a{replaced}" for place, replaced in enumerate(in_place)]
    loads = [f"{name}[i]" for name in arrays]
    body = [f"{line.target} = {line.text}" for line in statements(expression, dtypes, NUMBA, loads)]
    body += [f"{t}[i] = {value}" for t, value in zip(targets, results(expression, dtypes, NUMBA), strict=True)]
    head = f"def loop({', '.join([*arrays, *new, *prologue(expression).names])}):\n    for i in range(a0.shape[0]):\n"
    return "import numpy as np\n\n\n" + head + "".join(f"        {line}\n" for line in body)


def plain_function(expression: Expression, in_place: Mapping[int, int] | None = None) -> Callable[..., Any]:
    """Return the expression as a Python function of (xp, *arrays, *scalars), one call of NumPy for each operation.

    `evaluate`, unrolled: relu of ten numbers takes 1.1 µs instead of 4.0.

    Args:
        expression: The traced kernel.
        in_place: Of the instructions whose result replaces an earlier one, which that is; see `replaceable`.


    >>> from kusari.backend.expression import trace
    >>> def lerp(backend: Backend, x: Array, y: Array, t: float) -> Array:
    ...     return x + t * (y - x)
    >>> plain_function(trace(lerp, "lerp"))(np, np.array([0.0, 1.0]), np.array([4.0, 5.0]), 0.25)
    array([1., 2.])
    """
    arrays = [f"a{place}" for place in range(len(expression.arrays))]
    scalars = [f"s{place}" for place in range(len(expression.scalars))]
    replaced = in_place or {}
    space: dict[str, Any] = {}
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
        elif place in replaced:
            text = f"xp.{op}({', '.join(given)}, out=v{replaced[place]})"
        elif op in INFIX and op != "logical_xor":
            text = f" {INFIX[op]} ".join(given)
        else:
            text = f"-{given[0]}" if op == "negative" else f"xp.{op}({', '.join(given)})"
        lines.append(f"v{place} = {text}")
    made = [f"xp.asarray(v{output})" for output in expression.outputs]  # NumPy makes 0-d arrays scalars
    lines.append(f"return ({', '.join(made)},)" if expression.returns_tuple else f"return {made[0]}")
    source = f"def {expression.name}({', '.join(['xp', *arrays, *scalars])}):\n" + "".join(f"    {t}\n" for t in lines)
    exec(compile("import numpy as np\n" + source, f"<plain {expression.name}>", "exec"), space)
    function: Callable[..., Any] = space[expression.name]
    return function


def replaceable(expression: Expression, dtypes: Sequence[Any]) -> dict[int, int]:
    """Return, of instructions whose result fits into the memory of an operand that nobody reads afterwards, which.

    Args:
        expression: The traced kernel.
        dtypes: Of its arrays, which share one shape.

    >>> from kusari.backend.expression import trace
    >>> def lerp(backend: Backend, x: Array, y: Array, t: float) -> Array:
    ...     return x + t * (y - x)
    >>> replaceable(trace(lerp, "lerp"), ["f", "f"])  # t * into y - x, and the sum into that
    {4: 3, 5: 4}
    """
    try:
        made = infer_dtypes(expression, dtypes).results
    except NotElementwise:
        return {}
    last = {operand: place for place, step in enumerate(expression.program) for operand in step.operands}
    found = {}
    for place, (op, operands, _) in enumerate(expression.program):
        dtype = made[place]
        if not isinstance(dtype, np.dtype) or dtype.char not in "fd" or not isinstance(getattr(np, op, None), np.ufunc):
            continue
        for operand in operands:
            fits = isinstance(made[operand], np.dtype) and made[operand] == dtype
            kept = last[operand] > place or operand in expression.outputs or expression.program[operand].op == "array"
            if fits and not kept:
                found[place] = operand
                break
    return found
