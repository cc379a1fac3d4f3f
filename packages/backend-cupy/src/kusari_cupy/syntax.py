"""How CUDA C++ writes an expression: a table, and the frame of a kernel over many rows around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from kusari.backend.expression import Dtypes, Expression, Syntax, prologue, results, scalar_dtypes, statements

_FLOATING: Final = ("float32", "float64")

CUDA: Final = Syntax(
    name="CUDA",
    types={
        "bool": "bool", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
        "uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned int",
        "uint64": "unsigned long long",
        "float16": "float16", "bfloat16": "bfloat16", "float32": "float", "float64": "double",
    },
    cast="(({type})({value}))",
    literal="(({type})({value}))",
    words={
        "True": "true", "False": "false",
        # The compiler at run time has no <cmath>, where INFINITY and NAN are.
        "inf": "__longlong_as_double(0x7ff0000000000000LL)",
        "-inf": "__longlong_as_double(0xfff0000000000000LL)",
        "nan": "__longlong_as_double(0x7ff8000000000000LL)",
    },
    # Overloaded for float and double: exp(float) takes 2 ulp at most, without the compiler's fast arithmetic.
    templates={
        **{op: f"{op}({{0}})" for op in (
            "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan",
            "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "floor", "ceil", "trunc",
        )},
        "abs": "fabs({0})", "round": "rint({0})", "atan2": "atan2({0}, {1})", "hypot": "hypot({0}, {1})",
        "copysign": "copysign({0}, {1})", "where": "{0} ? {1} : {2}",
        "sign": "{0} != {0} ? {0} : ({0} > 0) - ({0} < 0)",
    },
    typed={
        ("abs", "integer"): "{0} < 0 ? -{0} : {0}",
        # Of integers there is none: double's has 53 bits.
        **{("pow", dtype): "pow({0}, {1})" for dtype in _FLOATING},
    },
    held={"float16": "float32", "bfloat16": "float32"},
)  # fmt: skip

HEADERS: Final = {"float16": "cupy/float16.cuh", "bfloat16": "cupy/bfloat16.cuh"}
"""Where CuPy defines the types that C++ lacks."""

THREADS: Final = 256
"""Of a block, in the kernel over rows."""
ELEMENTS: Final = 2048
"""That a block computes there."""
LEADING: Final = 2
"""Words of a row before its scalars: the first block that works on it, and its size."""


def operation(expression: Expression, dtypes: Dtypes) -> str:
    """Write what an ElementwiseKernel does with arrays ``a0…``, outputs ``o0…`` and scalars ``s…``.

    Raises:
        NotElementwise: CUDA lacks a dtype or an operation.
    """
    arrays, outputs = operand_names(expression)
    return "\n".join(_body(expression, dtypes, arrays, outputs))


def parameters(expression: Expression, dtypes: Dtypes, arrays: Sequence[np.dtype[Any]]) -> tuple[str, str]:
    """Write an ElementwiseKernel's declarations: of its arrays and scalars, and of its outputs."""
    inputs, outputs = operand_names(expression)
    scalars = zip(scalar_dtypes(expression, dtypes, CUDA), prologue(expression).names, strict=True)
    declared = [f"{dtype.name} {name}" for dtype, name in [*zip(arrays, inputs, strict=True), *scalars]]
    made = [f"{dtype.name} {name}" for dtype, name in zip(dtypes.outputs(expression), outputs, strict=True)]
    return ", ".join(declared), ", ".join(made)


def render_rows(expression: Expression, dtypes: Dtypes, arrays: Sequence[np.dtype[Any]]) -> str:
    """Write one kernel, ``rows(table, count)``, that serves many rows of dense arrays.

    ``table`` (count, words) of int64: the first block that works on the row, its size, its scalars as doubles, then
    the addresses of its arrays and outputs.

    Raises:
        NotElementwise: CUDA lacks a dtype or an operation.
    """
    inputs, outputs = operand_names(expression)
    scalars = list(zip(scalar_dtypes(expression, dtypes, CUDA), prologue(expression).names, strict=True))
    types = [CUDA.type_name(dtype) for dtype in (*arrays, *dtypes.outputs(expression))]
    head = [
        f"const {CUDA.type_name(dtype)} {name} = __longlong_as_double(row[{place}]);"
        for place, (dtype, name) in enumerate(scalars, LEADING)
    ]
    for place, (kind, name) in enumerate(zip(types, (*inputs, *outputs), strict=True), LEADING + len(scalars)):
        const = "const " if name in inputs else ""
        head.append(f"{const}{kind}* p_{name} = ({const}{kind}*)row[{place}];")
    body = _body(expression, dtypes, [f"p_{name}[i]" for name in inputs], [f"p_{name}[i]" for name in outputs])
    used = {dtype.name for dtype in (*arrays, *dtypes.outputs(expression), *_strong(dtypes))}
    headers = [f"#include <{header}>" for name, header in HEADERS.items() if name in used]
    return _ROWS.format(
        headers="\n".join(headers),
        words=LEADING + len(scalars) + len(types),
        elements=ELEMENTS,
        head="\n  ".join(head),
        body="\n    ".join(body),
    )


_ROWS: Final = """\
{headers}
extern "C" __global__ void rows(const long long* table, const int count) {{
  // The block's row is the last one that does not start beyond it.
  int low = 0;
  for (int high = count - 1; low < high;) {{
    const int middle = (low + high + 1) / 2;
    if (table[(long long)middle * {words}] <= blockIdx.x) low = middle;
    else high = middle - 1;
  }}
  const long long* row = table + (long long)low * {words};
  const long long start = (blockIdx.x - row[0]) * {elements};
  const long long end = start + {elements} < row[1] ? start + {elements} : row[1];
  {head}
  for (long long i = start + threadIdx.x; i < end; i += blockDim.x) {{
    {body}
  }}
}}
"""


def operand_names(expression: Expression) -> tuple[Sequence[str], Sequence[str]]:
    """Return the kernel's names for the expression's arrays and for its outputs."""
    return [f"a{n}" for n in range(len(expression.arrays))], [f"o{n}" for n in range(len(expression.outputs))]


def _body(expression: Expression, dtypes: Dtypes, loads: Sequence[str], targets: Sequence[str]) -> list[str]:
    values = results(expression, dtypes, CUDA)
    return [
        *(f"const {line.type} {line.target} = {line.text};" for line in statements(expression, dtypes, CUDA, loads)),
        *(f"{target} = {value};" for target, value in zip(targets, values, strict=True)),
    ]


def _strong(dtypes: Dtypes) -> list[np.dtype[Any]]:
    return [dtype for dtype in dtypes.results if isinstance(dtype, np.dtype)]
