"""How Triton writes an expression: a table, and the frame of the loop around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from kusari.backend.expression import Dtypes, Expression, Syntax, prologue, results, scalar_dtypes, statements

TRITON: Final = Syntax(
    name="Triton",
    types={
        "bool": "tl.int1",
        **{name: f"tl.{name}" for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
        **{name: f"tl.{name}" for name in ("float16", "bfloat16", "float32", "float64")},
    },
    cast="tl.cast({value}, {type})",
    templates={
        **{name: f"tl.{name}({{0}})" for name in ("abs", "exp", "log", "log2", "sqrt", "sin", "cos", "floor", "ceil")},
        **{name: f"{name}({{0}})" for name in ("expm1", "tanh", "log1p")},
        "round": "rint({0})",
        "trunc": "tl.where({0} < 0, tl.ceil({0}), tl.floor({0}))",
        "where": "tl.where({0}, {1}, {2})",
        "sign": "tl.where({0} > 0, 1, tl.where({0} < 0, -1, {0}))",
    },
    typed={
        ("sqrt", "float32"): "tl.sqrt_rn({0})",  # tl.sqrt approximates, and takes subnormals for 0
        ("add", "bool"): "{0} | {1}",
        ("multiply", "bool"): "{0} & {1}",
    },
    # Always 32 bits inside: the interpreter adds bfloat16 as bit patterns, and 16-bit steps would round each.
    held={"float16": "float32", "bfloat16": "float32"},
)

_HEAD: Final = """\
import triton
import triton.language as tl
from kusari_triton.kernels.math_device import expm1, log1p, rint, tanh

"""


def render(expression: Expression, dtypes: Dtypes, axes: int) -> str:
    """Write the module of one fused kernel.

    Operands are read and results written through strides, over ``axes`` axes of running index. Parameters, in order:
    arrays ``a0…``, outputs ``o0…``, scalars ``s…``, ``total``, sizes ``n0…``, then one stride per operand and axis
    (``a0_0``; 0 where the operand broadcasts), in elements.

    Args:
        expression: The traced kernel.
        dtypes: Of its values.
        axes: How many axes are left of the shape, at least 1.

    Raises:
        NotElementwise: Triton lacks a dtype or an operation.
    """
    arrays, outputs = operand_names(expression)
    scalars = scalar_names(expression)
    sizes = [f"n{axis}" for axis in range(axes)]
    strides = [f"{name}_{axis}" for name in (*arrays, *outputs) for axis in range(axes)]
    constants = ["INDEX: tl.constexpr", "BLOCK: tl.constexpr"]
    parameters = ", ".join([*arrays, *outputs, *scalars, "total", *sizes, *strides, *constants])
    lines = ["i = tl.program_id(0).to(INDEX) * BLOCK + tl.arange(0, BLOCK)", "live = i < total"]
    for axis in reversed(range(1, axes)):
        lines += [f"x{axis} = i % n{axis}", f"i = i // n{axis}"]
    lines.append("x0 = i")
    lines += [
        f"{name} = tl.full((), {name}, {TRITON.type_name(dtype)})"
        for name, dtype in zip(scalars, scalar_dtypes(expression, dtypes, TRITON), strict=True)
    ]
    lines += _body(
        expression, dtypes, [_address(name, axes) for name in arrays], [_address(name, axes) for name in outputs]
    )
    return _module(parameters, lines)


def _body(expression: Expression, dtypes: Dtypes, sources: Sequence[str], targets: Sequence[str]) -> list[str]:
    loads = [f"tl.load({source}, mask=live, other=0)" for source in sources]
    values = results(expression, dtypes, TRITON)
    return [
        *(f"{line.target} = {line.text}" for line in statements(expression, dtypes, TRITON, loads)),
        *(f"tl.store({target}, {value}, mask=live)" for target, value in zip(targets, values, strict=True)),
    ]


def _module(parameters: str, lines: Sequence[str]) -> str:
    body = "\n    ".join(lines)
    return f"{_HEAD}\n@triton.jit\ndef kernel({parameters}):\n    {body}\n"


def render_rows(expression: Expression, dtypes: Dtypes) -> str:
    """Write the module of one kernel that serves many rows of dense arrays, found through a table of addresses.

    Parameters: ``addresses`` (rows, arrays then outputs), ``sizes`` (rows,), ``scalars`` (rows, scalars), and per
    program its row, ``rows``, and its first element there, ``starts``.
    """
    arrays, outputs = operand_names(expression)
    scalars = scalar_names(expression)
    lines = [
        "row = tl.load(rows + tl.program_id(0)).to(tl.int64)",
        "i = tl.load(starts + tl.program_id(0)) + tl.arange(0, BLOCK)",
        "live = i < tl.load(sizes + row)",
    ]
    types = (*array_dtypes(expression, dtypes), *dtypes.outputs(expression))
    for column, (name, dtype) in enumerate(zip((*arrays, *outputs), types, strict=True)):
        address = f"tl.load(addresses + row * {len(types)} + {column})"
        lines.append(f"{name} = tl.cast({address}, tl.pointer_type({TRITON.type_name(dtype)}))")
    for column, (name, dtype) in enumerate(zip(scalars, scalar_dtypes(expression, dtypes, TRITON), strict=True)):
        value = f"tl.load(scalars + row * {len(scalars)} + {column})"
        lines.append(f"{name} = tl.cast({value}, {TRITON.type_name(dtype)})")
    lines += _body(expression, dtypes, [f"{name} + i" for name in arrays], [f"{name} + i" for name in outputs])
    return _module("addresses, sizes, scalars, rows, starts, BLOCK: tl.constexpr", lines)


def array_dtypes(expression: Expression, dtypes: Dtypes) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes of the expression's arrays; of one that it does not use, float32."""
    found: dict[int, np.dtype[Any]] = {
        instruction.position: np.dtype(dtypes.results[position])
        for position, instruction in enumerate(expression.program)
        if instruction.op == "array"
    }
    return tuple(found.get(place, np.dtype(np.float32)) for place in range(len(expression.arrays)))


def operand_names(expression: Expression) -> tuple[Sequence[str], Sequence[str]]:
    """Return the kernel's names for the expression's arrays and for its outputs."""
    return [f"a{n}" for n in range(len(expression.arrays))], [f"o{n}" for n in range(len(expression.outputs))]


def scalar_names(expression: Expression) -> Sequence[str]:
    """Return the kernel's names for its scalar arguments, which the prologue computes."""
    return prologue(expression).names


def _address(name: str, axes: int) -> str:
    return f"{name} + (" + " + ".join(f"x{axis} * {name}_{axis}" for axis in range(axes)) + ")"
