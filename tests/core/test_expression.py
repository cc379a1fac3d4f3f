"""Elementwise kernels as expressions: tracing, dtypes and evaluation, against plain NumPy."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from kusari.backend.expression import (
    Expression,
    Instruction,
    NotElementwise,
    evaluate,
    infer_dtypes,
    parameter_kinds,
    trace,
)
from kusari.backend.expression.operations import OPERATIONS

NUMPY = SimpleNamespace(xp=np)
REAL = ("float16", "float32", "float64")
INTEGER = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")


Array: TypeAlias = Any  # a trace reads the annotations as text
Backend: TypeAlias = Any


# -- kernels as their authors write them -------------------------------------------------------------------------
def elu(backend: Backend, x: Array, alpha: float) -> Array:
    xp = backend.xp
    return xp.where(x >= 0, x, alpha * xp.expm1(x))


def gelu(backend: Backend, x: Array) -> Array:
    return 0.5 * x * (1 + backend.xp.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def relu(backend: Backend, x: Array) -> Array:
    return backend.xp.maximum(x, 0)


def leaky_mask(backend: Backend, x: Array, slope: float, signed: bool) -> tuple[Array, Array]:
    xp = backend.xp
    positive = xp.astype(x > 0, x.dtype)
    if signed:
        positive = 2 * positive - 1
    return xp.where(x > 0, x, slope * x), positive


def momentum(
    backend: Backend, p: Array, g: Array, v: Array, learning_rate: float, momentum: float
) -> tuple[Array, Array]:
    v = momentum * v - learning_rate * g
    return p + v, v


def adam(
    backend: Backend, p: Array, g: Array, m: Array, v: Array, rate: float, beta1: float, beta2: float, epsilon: float
) -> tuple[Array, Array, Array]:
    xp = backend.xp
    m = m + (1 - beta1) * (g - m)
    v = v + (1 - beta2) * (g * g - v)
    return p - rate * m / (xp.sqrt(v) + epsilon), m, v


KERNELS = [
    (elu, (0.3,), ()),
    (gelu, (), ()),
    (relu, (), ()),
    (leaky_mask, (0.2,), (True,)),
    (leaky_mask, (0.2,), (False,)),
    (momentum, (0.1, 0.9), ()),
    (adam, (1e-3, 0.9, 0.999, 1e-8), ()),
]
IDS = [f"{kernel.__name__}{static}" for kernel, _, static in KERNELS]


def traced(kernel: Any, *static: Any) -> Expression:
    return trace(kernel, kernel.__name__, static)


def ops(expression: Expression) -> list[str]:
    return [instruction.op for instruction in expression.program]


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def run(kernel: Any, operands: list[Any], scalars: tuple[float, ...], static: tuple[Any, ...]) -> tuple[Any, ...]:
    """Call the definition itself; parameters come in any order."""
    pools = {"array": iter(operands), "scalar": iter(scalars), "static": iter(static)}
    return as_tuple(kernel(NUMPY, *(next(pools[kind]) for kind in parameter_kinds(kernel).values())))


def assert_same(found: Any, expected: Any) -> None:
    """Equal dtypes, shapes and bits; NaN equals NaN."""
    expected = np.asarray(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected, strict=True)


# -- tracing -----------------------------------------------------------------------------------------------------
def test_annotations_tell_arrays_from_scalars_and_static_parameters() -> None:
    assert parameter_kinds(leaky_mask) == {"x": "array", "slope": "scalar", "signed": "static"}

    def objects(backend, x, alpha, flag, names):  # type: ignore[no-untyped-def]
        return x

    objects.__annotations__ = {"x": type("Array", (), {}), "alpha": float, "flag": bool, "names": tuple[str, ...]}
    assert list(parameter_kinds(objects).values()) == ["array", "scalar", "static", "static"]

    def qualified(backend: Backend, x: types.Array, y: "Array") -> None: ...  # type: ignore[name-defined] # noqa: F821, UP037

    assert set(parameter_kinds(qualified).values()) == {"array"}


def test_the_program_is_what_the_kernel_does() -> None:
    assert traced(elu) == Expression(
        name="elu",
        program=(
            Instruction("array", (), 0),
            Instruction("scalar", (), 0),
            Instruction("constant", (), "0"),
            Instruction("greater_equal", (0, 2)),
            Instruction("expm1", (0,)),
            Instruction("multiply", (1, 4)),
            Instruction("where", (3, 0, 5)),
        ),
        outputs=(6,),
        arrays=("x",),
        scalars=("alpha",),
    )


def test_equal_subexpressions_are_shared() -> None:
    def twice(backend: Backend, x: Array) -> Array:
        return backend.xp.exp(x + 1) * (x + 1) + backend.xp.exp(x + 1)

    assert sorted(ops(traced(twice))) == ["add", "add", "array", "constant", "exp", "multiply"]


def test_unused_values_are_left_out() -> None:
    def wasteful(backend: Backend, x: Array, y: Array, a: float) -> Array:
        backend.xp.exp(y * a)
        return x + 1

    expression = traced(wasteful)
    assert ops(expression) == ["array", "constant", "add"]
    assert (expression.arrays, expression.scalars) == (("x", "y"), ("a",))  # the signature stays


def test_constants_keep_their_type_and_sign() -> None:
    def with_constant(value: Any) -> Expression:
        def kernel(backend: Backend, x: Array) -> Array:
            return backend.xp.copysign(x, value)

        return trace(kernel, "kernel")

    values = [1, True, 0.5, 0, -0.0, math.inf, -math.inf, math.nan, -3, 1e30]
    expressions = [with_constant(value) for value in values]
    assert len(set(expressions)) == len(values)
    assert with_constant(float("nan")) == with_constant(math.nan)  # a NaN must not defeat caches
    for value, expression in zip(values, expressions, strict=True):
        constant = expression.program[1].constant
        assert type(constant) is type(value)
        assert repr(constant) == repr(value)


def test_a_changed_learning_rate_compiles_nothing() -> None:
    expression = traced(momentum)
    assert expression == traced(momentum)
    assert hash(expression) == hash(traced(momentum))
    p, g, v = np.ones((3, 2), "f")
    for rate in (0.1, 0.2):
        new_p, new_v = evaluate(expression, np, [p, g, v], [rate, 0.5])
        np.testing.assert_allclose(new_v, 0.5 - rate, rtol=1e-6)
        np.testing.assert_allclose(new_p, 1.5 - rate, rtol=1e-6)


def test_static_arguments_are_baked_in() -> None:
    assert traced(leaky_mask, True) != traced(leaky_mask, False)
    with pytest.raises(TypeError, match=r"leaky_mask has 1 static parameters \(signed\), got 0"):
        traced(leaky_mask)


def test_donations_are_kept_and_checked() -> None:
    assert trace(adam, "adam", donates=("p", "m", "v")).donated == ("p", "m", "v")
    for wrong in (("rate",), ("p", "p"), ("p", "g", "m", "v")):
        with pytest.raises(ValueError, match="at most one for each of its 3 outputs"):
            trace(adam, "adam", donates=wrong)


def test_a_tuple_of_one_stays_a_tuple() -> None:
    def sgd(backend: Backend, p: Array, g: Array, rate: float) -> tuple[Array]:
        return (p - rate * g,)

    (p,) = evaluate(traced(sgd), np, [np.ones(2), np.ones(2)], [0.25])
    np.testing.assert_array_equal(p, [0.75, 0.75])


def test_kernels_that_call_elementwise_kernels_are_inlined() -> None:
    inner = SimpleNamespace(__name__="relu", elementwise=True, portable=relu)
    other = SimpleNamespace(__name__="convolution", elementwise=False)

    def outer(backend: Any, x: Array) -> Array:
        return backend.table[inner](backend, x) + 1

    def wrong(backend: Any, x: Array) -> Any:
        return backend.table[other](backend, x)

    assert ops(traced(outer)) == ["array", "constant", "maximum", "constant", "add"]
    with pytest.raises(NotElementwise, match="convolution, which is not an elementwise kernel"):
        traced(wrong)


def test_clip_and_square_become_what_they_are() -> None:
    def kernel(backend: Backend, x: Array) -> Array:
        return backend.xp.clip(x**2, 1, max=6) + backend.xp.clip(+x, min=0)

    assert ops(traced(kernel)) == [
        *("array", "square", "constant", "maximum", "constant", "minimum", "constant", "maximum", "add"),
    ]


# -- dtypes and values, against NumPy ----------------------------------------------------------------------------
@settings(deadline=None, max_examples=60)
@given(data=st.data(), dtype=st.sampled_from(REAL))
@pytest.mark.parametrize(("kernel", "scalars", "static"), KERNELS, ids=IDS)
def test_kernels_equal_plain_numpy(kernel: Any, scalars: Any, static: Any, data: Any, dtype: str) -> None:
    expression = traced(kernel, *static)
    shapes = data.draw(arrays_of.mutually_broadcastable_shapes(num_shapes=len(expression.arrays), max_dims=3))
    operands = [data.draw(arrays_of.arrays(dtype, shape)) for shape in shapes.input_shapes]
    with np.errstate(all="ignore"):
        found = as_tuple(evaluate(expression, np, operands, scalars))
        expected = run(kernel, operands, scalars, static)
    assert infer_dtypes(expression, [a.dtype for a in operands]).outputs(expression) == (np.dtype(dtype),) * len(found)
    for a, b in zip(found, expected, strict=True):
        assert_same(a, b)


@settings(deadline=None, max_examples=15)
@given(data=st.data(), weak=st.sampled_from([None, 3, 0.5, True]))
@pytest.mark.parametrize("op", sorted(OPERATIONS))
def test_every_operation_has_numpys_dtype_and_value(op: str, data: Any, weak: Any) -> None:
    """One or two operands of any dtypes, or an operand and a weak Python scalar."""
    logical = op.startswith("logical")
    dtypes = st.sampled_from(["bool"] if logical else [*REAL, *INTEGER])
    count = OPERATIONS[op]
    mixed = count > 1 and weak is not None and (not logical or weak is True)
    operands = [
        data.draw(arrays_of.arrays(data.draw(dtypes), (4,), elements={"min_value": 0, "max_value": 5}))
        if not logical
        else data.draw(arrays_of.arrays("bool", (4,)))
        for _ in range(min(count, 2) - mixed)
    ]

    def kernel(backend: Backend, x: Array, y: Array) -> Array:
        values = [x] if len(operands) == 1 else [x, y]
        values += [weak] if mixed else []
        if op == "where":
            values = [x > 1, *values]
        return getattr(backend.xp, op)(*values)

    expression = traced(kernel)
    given_arrays = [operands[0], operands[-1]]
    with np.errstate(all="ignore"):
        try:
            expected = kernel(NUMPY, *given_arrays)
        except TypeError:  # NumPy has no such loop
            with pytest.raises(NotElementwise, match=r"not defined for|no common dtype"):
                infer_dtypes(expression, [a.dtype for a in given_arrays])
            return
        found = evaluate(expression, np, given_arrays)
    assert infer_dtypes(expression, [a.dtype for a in given_arrays]).outputs(expression) == (found.dtype,)
    if (
        op == "pow" and found.dtype.kind == "f"
    ):  # NumPy takes the root for x ** 0.5, and NumPy 2.1 not for np.pow(x, 0.5)
        np.testing.assert_allclose(found, expected, rtol=2 * np.finfo(found.dtype).eps, strict=True)
    else:
        assert_same(found, expected)


def test_nan_survives_maximum_and_minimum() -> None:
    def kernel(backend: Backend, x: Array, y: Array) -> tuple[Array, Array]:
        return backend.xp.maximum(x, y), backend.xp.minimum(x, y)

    x, y = np.array([math.nan, 1, 3]), np.array([1, math.nan, 2])
    largest, smallest = evaluate(traced(kernel), np, [x, y])
    np.testing.assert_array_equal(largest, [math.nan, math.nan, 3])
    np.testing.assert_array_equal(smallest, [math.nan, math.nan, 2])


def test_scalars_are_weak_even_when_numpy_scalars_are_passed() -> None:
    found = evaluate(traced(elu), np, [np.ones(2, "f")], [np.float64(0.5)])
    assert found.dtype == np.float32


def test_zero_dimensional_results_are_arrays() -> None:
    assert isinstance(evaluate(traced(gelu), np, [np.array(1.0, "f")]), np.ndarray)


def test_astype_takes_names_of_xp_dtypes_of_symbols_and_numpys() -> None:
    def kernel(backend: Backend, x: Array, y: Array, to: type) -> tuple[Array, ...]:
        xp = backend.xp
        return xp.astype(x, xp.float32), xp.astype(x, y.dtype, copy=False), xp.astype(x, to), xp.astype(x > 1, xp.bool)

    expression = traced(kernel, np.dtype("int16"))
    operands = [np.array([1.5, 2.5]), np.array([1], "float16")]
    expected = ("float32", "float16", "int16", "bool")
    assert infer_dtypes(expression, [a.dtype for a in operands]).outputs(expression) == tuple(map(np.dtype, expected))
    for found, name in zip(evaluate(expression, np, operands), expected, strict=True):
        assert found.dtype == name


def test_foreign_byte_order_becomes_native() -> None:
    assert infer_dtypes(traced(relu), [">f4"]).outputs(traced(relu)) == (np.dtype("=f4"),)

    def same(backend: Backend, x: Array) -> Array:
        return x

    assert infer_dtypes(traced(same), [">f4"]).outputs(traced(same)) == (np.dtype("=f4"),)


def test_literals_must_fit_their_dtype() -> None:
    def kernel(backend: Backend, x: Array) -> Array:
        return x + 300

    assert infer_dtypes(traced(kernel), ["int16"]).outputs(traced(kernel)) == (np.dtype("int16"),)
    with pytest.raises(NotElementwise, match="the literal 300 does not fit into int8"):
        infer_dtypes(traced(kernel), ["int8"])


@pytest.mark.parametrize(
    ("body", "dtype", "message"),
    [
        (lambda xp, x: x & x, "int32", "xp.logical_and of int32 and int32: expected bool"),
        (lambda xp, x: ~x, "float32", "xp.logical_not of float32: expected bool; compare first"),
        (lambda xp, x: xp.where(x, x, 0), "float32", "xp.where on a float32 condition: expected bool"),
        (lambda xp, x: x - x, "bool", "xp.subtract is not defined for bool and bool; cast first with xp.astype"),
        (lambda xp, x: x + 1, "complex64", "x has dtype complex64: elementwise kernels take"),
        (lambda xp, x: x + 1, "U3", "x has dtype <U3"),
    ],
)
def test_operations_undefined_for_a_dtype_say_so(body: Any, dtype: str, message: str) -> None:
    def kernel(backend: Backend, x: Array) -> Array:
        return body(backend.xp, x)

    with pytest.raises(NotElementwise, match=message):
        infer_dtypes(traced(kernel), [dtype])


def test_bfloat16_stays_bfloat16() -> None:
    bfloat16 = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)

    def cast(backend: Backend, x: Array) -> Array:
        return backend.xp.astype(x, backend.xp.bfloat16)

    def widen(backend: Backend, x: Array, y: Array) -> Array:
        return x + y

    for kernel, _, static in KERNELS:
        expression = traced(kernel, *static)
        outputs = infer_dtypes(expression, [bfloat16] * len(expression.arrays)).outputs(expression)
        assert set(outputs) == {bfloat16}
    assert infer_dtypes(traced(cast), ["float32"]).outputs(traced(cast)) == (bfloat16,)
    assert evaluate(traced(cast), np, [np.ones(2, "f")]).dtype == bfloat16
    assert infer_dtypes(traced(widen), [bfloat16, "float32"]).outputs(traced(widen)) == (np.dtype("float32"),)
    with pytest.raises(NotElementwise, match=r"no common dtype; cast one with xp\.astype"):
        infer_dtypes(traced(widen), [bfloat16, "float16"])


def test_wrong_numbers_of_arguments_are_errors() -> None:
    with pytest.raises(TypeError, match="elu has 1 arrays, got 2 dtypes"):
        infer_dtypes(traced(elu), ["f", "f"])
    with pytest.raises(
        TypeError, match=r"elu takes the arrays \('x',\) and the scalars \('alpha',\), got 1 arrays and 0"
    ):
        evaluate(traced(elu), np, [np.ones(2)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kernel", "scalars", "static"), KERNELS, ids=IDS)
def test_programs_run_on_array_api_strict(kernel: Any, scalars: Any, static: Any, dtype: str) -> None:
    strict = pytest.importorskip("array_api_strict")
    expression = traced(kernel, *static)
    generator = np.random.default_rng(0)
    operands = [abs(generator.standard_normal((3, 4))).astype(dtype) for _ in expression.arrays]
    found = as_tuple(evaluate(expression, strict, [strict.asarray(a) for a in operands], scalars))
    for a, b in zip(found, run(kernel, operands, scalars, static), strict=True):
        assert isinstance(a, type(strict.asarray(0)))
        np.testing.assert_allclose(np.from_dlpack(a), b, rtol=1e-6, strict=True)
