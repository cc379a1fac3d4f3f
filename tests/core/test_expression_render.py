"""Two renderers, each a table and a frame: Python loops, executed, and C, compiled where there is a compiler."""

from __future__ import annotations

import ctypes
import itertools
import math
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from kusari.backend.expression import (
    Expression,
    NotElementwise,
    Syntax,
    evaluate,
    infer_dtypes,
    prologue,
    prologue_function,
    results,
    scalar_dtypes,
    statements,
    trace,
)
from kusari.backend.expression.operations import DTYPES, OPERATIONS

PYTHON = Syntax(
    name="Python",
    types={name: f"np.{name}" for name in DTYPES if name != "bfloat16"},
    cast="{type}({value})",
    literal="{type}({value})",
    templates={
        **{op: f"np.{op}({{0}})" for op, count in OPERATIONS.items() if count == 1},
        **{op: f"np.{op}({{0}}, {{1}})" for op in ("atan2", "hypot", "copysign")},
        "pow": "{0} ** {1}",  # np.pow of two scalars takes the square root of -inf to be NaN
        "round": "np.rint({0})",
        "where": "{1} if {0} else {2}",
    },
    recast="biuf",
    typed_scalars=False,
)

C = Syntax(
    name="C",
    types={
        "bool": "bool", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
        "uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned", "uint64": "unsigned long long",
        "float16": "_Float16", "float32": "float", "float64": "double",
    },
    cast="(({type}){value})",
    literal="(({type}){value})",
    words={"True": "true", "False": "false", "inf": "INFINITY", "-inf": "-INFINITY", "nan": "NAN"},
    templates={
        **{op: f"{op}({{0}})" for op in (
            "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan",
            "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "floor", "ceil", "trunc",
        )},
        "abs": "fabs({0})", "round": "nearbyint({0})", "pow": "pow({0}, {1})", "atan2": "atan2({0}, {1})",
        "hypot": "hypot({0}, {1})", "copysign": "copysign({0}, {1})", "where": "{0} ? {1} : {2}",
        "sign": "{0} != {0} ? {0} : ({0} > 0) - ({0} < 0)",
    },
    typed={("abs", "integer"): "{0} < 0 ? -{0} : {0}"},
    held={"float16": "float32"},
)  # fmt: skip


Array: TypeAlias = Any  # a trace reads the annotations as text
Backend: TypeAlias = Any


# -- the frames: what a renderer adds to its table ---------------------------------------------------------------
def python_source(expression: Expression, dtypes: Any) -> str:
    """Write a loop over flat arrays."""
    arguments = [f"a{n}" for n in range(len(expression.arrays))] + list(prologue(expression).names)
    outputs = [f"o{n}" for n in range(len(expression.outputs))]
    loads = [f"a{n}[i]" for n in range(len(expression.arrays))]
    body = [f"{target} = {text}" for target, _, text in statements(expression, dtypes, PYTHON, loads)]
    body += [f"{o}[i] = {text}" for o, text in zip(outputs, results(expression, dtypes, PYTHON), strict=True)]
    lines = [f"def loop({', '.join(arguments + outputs)}):", "    for i in range(o0.size):"]
    return "\n        ".join(["\n".join(lines), *body]) + "\n"


def c_source(expression: Expression, dtypes: Any, arrays: list[np.dtype[Any]]) -> str:
    """Write a function over flat arrays."""
    inputs = [f"const {C.type_name(dtype)} *a{n}" for n, dtype in enumerate(arrays)]
    types = scalar_dtypes(expression, dtypes, C)
    scalars = [f"{C.type_name(t)} {name}" for t, name in zip(types, prologue(expression).names, strict=True)]
    outputs = [f"{C.type_name(dtype)} *o{n}" for n, dtype in enumerate(dtypes.outputs(expression))]
    loads = [f"a{n}[i]" for n in range(len(arrays))]
    body = [f"{kind} {target} = {text};" for target, kind, text in statements(expression, dtypes, C, loads)]
    body += [f"o{n}[i] = {text};" for n, text in enumerate(results(expression, dtypes, C))]
    return (
        "#include <stdbool.h>\n#include <tgmath.h>\n"
        f"void loop({', '.join([*inputs, *scalars, *outputs, 'long n'])}) {{\n"
        "  for (long i = 0; i < n; i++) {\n    " + "\n    ".join(body) + "\n  }\n}\n"
    )


def prepare(expression: Expression, operands: list[Any]) -> tuple[Any, list[Any], list[Any]]:
    """(dtypes, flat contiguous inputs, outputs to fill) of a call."""
    dtypes = infer_dtypes(expression, [a.dtype for a in operands])
    full = [np.ascontiguousarray(a) for a in np.broadcast_arrays(*operands)]
    return dtypes, full, [np.empty(full[0].shape, dtype) for dtype in dtypes.outputs(expression)]


def run_python(expression: Expression, operands: list[Any], scalars: tuple[float, ...] = ()) -> list[Any]:
    dtypes, full, outputs = prepare(expression, operands)
    space: dict[str, Any] = {"np": np}
    exec(python_source(expression, dtypes), space)
    with np.errstate(all="ignore"):
        values = prologue_function(expression)(*scalars)
        space["loop"](*(a.ravel() for a in full), *values, *(o.reshape(-1) for o in outputs))
    return outputs


def run_c(folder: Path, expression: Expression, operands: list[Any], scalars: tuple[float, ...] = ()) -> list[Any]:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    dtypes, full, outputs = prepare(expression, operands)
    source, library = folder / "loop.c", folder / "loop.so"
    source.write_text(c_source(expression, dtypes, [a.dtype for a in full]))
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-lm"], check=True)
    types = [ctypes.c_float if t == np.float32 else ctypes.c_double for t in scalar_dtypes(expression, dtypes, C)]
    numbers = [t(value) for t, value in zip(types, prologue_function(expression)(*scalars), strict=True)]
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*full, *outputs)]
    inputs = len(full)
    ctypes.CDLL(str(library)).loop(*pointers[:inputs], *numbers, *pointers[inputs:], ctypes.c_long(full[0].size))
    return outputs


# -- kernels -----------------------------------------------------------------------------------------------------
def elu(backend: Backend, x: Array, alpha: float) -> Array:
    xp = backend.xp
    return xp.where(x >= 0, x, alpha * xp.expm1(x))


def adam(
    backend: Backend, p: Array, g: Array, m: Array, v: Array, rate: float, beta1: float, beta2: float, epsilon: float
) -> tuple[Array, Array, Array]:
    xp = backend.xp
    m = m + (1 - beta1) * (g - m)
    v = v + (1 - beta2) * (g * g - v)
    return p - rate * m / (xp.sqrt(v) + epsilon), m, v


def hard_swish_and_mask(backend: Backend, x: Array) -> tuple[Array, Array]:
    xp = backend.xp
    return x * xp.clip(x + 3, 0, 6) / 6, xp.isfinite(x) & (abs(x) < 3) | ~(x > -xp.inf)


KERNELS = [(elu, (0.3,)), (adam, (1e-3, 0.9, 0.999, 1e-8)), (hard_swish_and_mask, ())]
SPECIAL = [0.0, -0.0, 1.0, -1.5, 0.1, 7.0, 1e-6, 2e4, -2e4, math.inf, -math.inf, math.nan]
VALUES: dict[str, list[float]] = {  # by kind of dtype
    "f": [*SPECIAL, 0.5, -0.5, 2.5],
    "i": [-3, 1, 2, 3],
    "u": [1, 2, 3],
    "b": [False, True],
}


def test_source_is_readable() -> None:
    expression = trace(elu, "elu")
    source = python_source(expression, infer_dtypes(expression, ["float32"]))
    assert source == (
        "def loop(a0, s1, o0):\n"
        "    for i in range(o0.size):\n"
        "        v0 = a0[i]\n"
        "        v3 = np.bool(v0 >= np.float32(0.0))\n"
        "        v4 = np.float32(np.expm1(v0))\n"
        "        v5 = np.float32(np.float32(s1) * v4)\n"
        "        v6 = np.float32(v0 if v3 else v5)\n"
        "        o0[i] = v6\n"
    )
    assert "float v5 = s1 * v4;" in c_source(expression, infer_dtypes(expression, ["float32"]), [np.dtype("float32")])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("kernel", "scalars"), KERNELS, ids=lambda value: getattr(value, "__name__", ""))
def test_both_languages_agree_with_evaluation(kernel: Any, scalars: Any, dtype: str, tmp_path: Path) -> None:
    expression = trace(kernel, "kernel")
    values = np.array(SPECIAL, dtype)
    operands = [np.roll(values, 5 * n) for n in range(len(expression.arrays))]
    with np.errstate(all="ignore"):
        expected = evaluate(expression, np, operands, scalars)
    tolerance = {"float16": 4e-3, "float32": 1e-6, "float64": 1e-14}[dtype]
    for found in (run_python(expression, operands, scalars), run_c(tmp_path, expression, operands, scalars)):
        for a, b in zip(found, expected if isinstance(expected, tuple) else (expected,), strict=True):
            finite = np.abs(b.astype("float64")) < np.finfo(dtype).max / 4  # held in float32, float16 overflows later
            keep = finite | (dtype != "float16")
            np.testing.assert_allclose(a[keep], b[keep], rtol=tolerance, atol=tolerance / 10, strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", "bool"])
def test_every_operation_renders(dtype: str, tmp_path: Path) -> None:
    """Every pair of a list of values, all operations as outputs of one kernel."""
    values = VALUES[dtype[0]]
    ops = [op for op in sorted(OPERATIONS) if op.startswith("logical") == (dtype == "bool")]
    if dtype == "int32":
        ops.remove("pow")  # NumPy refuses negative integer powers

    def kernel(backend: Backend, x: Array, y: Array) -> tuple[Array, ...]:
        given = {1: (x,), 2: (x, y), 3: (x > y, x, y)}
        return tuple(getattr(backend.xp, op)(*given[OPERATIONS[op]]) for op in ops)

    x, y = (np.array(column, dtype) for column in zip(*itertools.product(values, values), strict=True))
    expression = trace(kernel, "kernel")
    with np.errstate(all="ignore"):
        expected = evaluate(expression, np, [x, y])
    for found in (run_python(expression, [x, y]), run_c(tmp_path, expression, [x, y])):
        for op, a, b in zip(ops, found, expected, strict=True):
            tolerance = 4 * np.finfo(b.dtype).eps if b.dtype.kind == "f" else 0
            np.testing.assert_allclose(a, b, rtol=tolerance, err_msg=op, strict=True)


# -- random programs ---------------------------------------------------------------------------------------------
STEPS: dict[str, Callable[..., Any]] = {
    "add": lambda xp, a, b, test: a + b,
    "subtract": lambda xp, a, b, test: b - a,
    "multiply": lambda xp, a, b, test: a * b,
    "divide": lambda xp, a, b, test: a / b,
    "maximum": lambda xp, a, b, test: xp.maximum(a, b),
    "minimum": lambda xp, a, b, test: xp.minimum(a, b),
    "where": lambda xp, a, b, test: xp.where(test, a, b),
    "square": lambda xp, a, b, test: a**2,
    "negative": lambda xp, a, b, test: -a,
    "sqrt": lambda xp, a, b, test: xp.sqrt(abs(a)),
    "astype": lambda xp, a, b, test: xp.astype(a, xp.float32),
    "greater": lambda xp, a, b, test: a > b,
    "not_equal": lambda xp, a, b, test: (a != b) | test,
    "isnan": lambda xp, a, b, test: xp.isnan(a) & test,
}
INDEX = st.integers(0, 99)


@settings(deadline=None, max_examples=150)
@given(
    steps=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), INDEX, INDEX, INDEX), min_size=1, max_size=12),
    names=st.tuples(*[st.sampled_from(["float16", "float32", "float64", "int8", "int32", "uint8"])] * 2),
    scalars=st.tuples(st.sampled_from([0.1, -2.0, 3.5]), st.sampled_from([0.7, 1.0])),
    data=st.data(),
)
def test_random_programs_equal_numpy_to_the_bit(steps: Any, names: Any, scalars: Any, data: Any) -> None:
    """The operations above are exactly rounded, so that loop, interpreter and NumPy agree in every bit."""

    def kernel(backend: Any, x: Array, y: Array, a: float, b: float) -> tuple[Any, ...]:
        numbers: list[Any] = [x, y]
        tests: list[Any] = [x > y]
        weak = [a, 1 - a, a * b, 2, 0.5, 1]
        for op, i, j, k in steps:
            second = (numbers + weak)[j % (len(numbers) + len(weak))]
            value = STEPS[op](backend.xp, numbers[i % len(numbers)], second, tests[k % len(tests)])
            (tests if op in ("greater", "not_equal", "isnan") else numbers).append(value)
        return numbers[-1], tests[-1]

    shapes = data.draw(arrays_of.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3))
    operands = [
        data.draw(arrays_of.arrays(name, shape)) for name, shape in zip(names, shapes.input_shapes, strict=True)
    ]
    expression = trace(kernel, "kernel")
    with np.errstate(all="ignore"):
        expected = kernel(SimpleNamespace(xp=np), *operands, *scalars)
        interpreted = evaluate(expression, np, operands, scalars)
    for a, b, c in zip(run_python(expression, operands, scalars), interpreted, expected, strict=True):
        np.testing.assert_array_equal(b, np.asarray(c), strict=True)
        np.testing.assert_array_equal(a, np.broadcast_to(np.asarray(c), a.shape), strict=True)


# -- scalars -----------------------------------------------------------------------------------------------------
def test_scalar_subexpressions_run_on_the_host_in_double() -> None:
    found = prologue(trace(adam, "adam"))
    assert found.parameters == ("rate", "beta1", "beta2", "epsilon")
    assert [line.partition(" = ")[2] for line in found.lines[4:]] == ["1 - beta1", "1 - beta2"]
    values = prologue_function(trace(adam, "adam"))(1e-3, 0.9, np.float32(0.5), 1e-8)
    assert sorted(values) == sorted([1e-3, 1 - 0.9, 0.5, 1e-8])
    assert all(type(value) is float for value in values)


def test_prologues_know_all_of_pythons_arithmetic() -> None:
    def kernel(backend: Backend, x: Array, a: float, b: float) -> Array:
        return x * (abs(-a) ** b / (a - -2.5) + (a > b) * backend.xp.inf) + (-0.5) ** (a * 2)

    (product, power) = prologue_function(trace(kernel, "kernel"))(-1.0, 2.0)
    assert (product, power) == pytest.approx((math.nan, 4.0), nan_ok=True)
    (product, _) = prologue_function(trace(kernel, "kernel"))(3.0, 2.0)
    assert product == math.inf


def test_a_scalar_takes_the_widest_dtype_of_its_uses() -> None:
    def kernel(backend: Backend, x: Array, y: Array, a: float, b: float) -> tuple[Array, Array]:
        return x * a + b, y * a

    expression = trace(kernel, "kernel")
    dtypes = infer_dtypes(expression, ["float32", "float64"])
    assert scalar_dtypes(expression, dtypes, C) == (np.dtype("float64"), np.dtype("float32"))
    half = infer_dtypes(expression, ["float16", "float16"])
    assert scalar_dtypes(expression, half, C) == (np.dtype("float32"),) * 2  # where C computes
    source = c_source(expression, dtypes, [np.dtype("float32"), np.dtype("float64")])
    assert "= v0 * ((float)s2)" in source


def test_arrays_that_only_lend_their_dtype_are_not_loaded() -> None:
    def kernel(backend: Backend, x: Array, like: Array) -> Array:
        return backend.xp.astype(x, like.dtype)

    expression = trace(kernel, "kernel")
    source = python_source(expression, infer_dtypes(expression, ["float64", "float32"]))
    assert "a1[i]" not in source
    assert run_python(expression, [np.array([0.1]), np.ones(1, "f")])[0] == np.float32(0.1)


def test_astype_rounds_where_a_wider_dtype_is_held(tmp_path: Path) -> None:
    def kernel(backend: Backend, x: Array) -> Array:
        return backend.xp.astype(backend.xp.astype(x, backend.xp.float16), backend.xp.float64)

    x = np.array([0.1, 1e-3])
    (found,) = run_c(tmp_path, trace(kernel, "kernel"), [x])
    np.testing.assert_array_equal(found, x.astype("float16").astype("float64"))
    expression = trace(kernel, "kernel")
    lines = statements(expression, infer_dtypes(expression, ["float32"]), C, ["a0[i]"])
    assert lines[1] == ("v1", "float", "((float)((_Float16)v0))")  # also where a language would not convert by itself


def test_negative_literals_bind_tightly() -> None:
    def kernel(backend: Backend, x: Array) -> Array:
        return (-2) ** x

    expression = trace(kernel, "kernel")
    dtypes = infer_dtypes(expression, ["float64"])
    assert (
        statements(expression, dtypes, replace(PYTHON, literal="{value}"), ["a"])[1].text == "np.float64((-2.0) ** v0)"
    )


def test_a_language_says_what_it_lacks() -> None:
    bare = Syntax(name="Bare", types={"float32": "f32"}, cast="{value} as {type}")
    expression = trace(elu, "elu")
    with pytest.raises(NotElementwise, match="Bare has no bool"):
        statements(expression, infer_dtypes(expression, ["float32"]), bare, ["a"])
    bare = replace(bare, types={"float32": "f32", "bool": "b1"})
    with pytest.raises(NotElementwise, match="Bare has no expm1 for float32"):
        statements(expression, infer_dtypes(expression, ["float32"]), bare, ["a"])
    with pytest.raises(NotElementwise, match="Bare has no float64"):
        statements(expression, infer_dtypes(expression, ["float64"]), bare, ["a"])
