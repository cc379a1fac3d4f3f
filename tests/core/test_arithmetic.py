"""The function nodes behind Variable's operators: values and derivatives, by finite differences, on each backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from kusari.autograd import Variable, grad
from kusari.autograd.arithmetic import absolute
from kusari.autograd.indexing import get_item
from kusari.autograd.shaping import broadcast_to, cast, reshape, sum_to, transpose
from kusari.backend import Backend
from kusari.errors import InvalidType

Host = np.ndarray[Any, Any]
Function = Callable[..., Any]

HIGH = np.asarray([[0.7, 1.3, 2.1], [0.9, 1.7, 0.4]])  # positive: logarithms and powers stay smooth
LOW = np.asarray([[-1.2, 0.8, -0.3], [0.6, -2.0, 1.1]])  # none near 0, where |x| has its kink


class Case(NamedTuple):
    """An expression of Variables, where to take its derivatives, and the same expression of NumPy arrays."""

    function: Function
    at: tuple[Host, ...]
    same: Function | None = None  # None: the same text means the same of NumPy arrays


CASES = {
    "x + y": Case(lambda x, y: x + y, (LOW, HIGH)),
    "x + y, broadcast": Case(lambda x, y: x + y, (LOW, HIGH[0])),
    "x + y, scalar array": Case(lambda x, y: x + y, (LOW, HIGH[0, 0])),
    "x + 2": Case(lambda x: x + 2, (LOW,)),
    "2 + x": Case(lambda x: 2 + x, (LOW,)),
    "x - y": Case(lambda x, y: x - y, (LOW, HIGH)),
    "x - y, broadcast": Case(lambda x, y: x - y, (LOW[:, :1], HIGH[:1])),
    "x - 2": Case(lambda x: x - 2.5, (LOW,)),
    "2 - x": Case(lambda x: 2.5 - x, (LOW,)),
    "x * y": Case(lambda x, y: x * y, (LOW, HIGH)),
    "x * y, broadcast": Case(lambda x, y: x * y, (LOW[0], HIGH)),
    "x * x": Case(lambda x: x * x, (LOW,)),
    "3 * x": Case(lambda x: 3 * x, (LOW,)),
    "x / y": Case(lambda x, y: x / y, (LOW, HIGH)),
    "x / y, broadcast": Case(lambda x, y: x / y, (LOW, HIGH[:, :1])),
    "x / 4": Case(lambda x: x / 4, (LOW,)),
    "4 / x": Case(lambda x: 4 / x, (LOW,)),
    "x ** y": Case(lambda x, y: x**y, (HIGH, LOW)),
    "x ** y, broadcast": Case(lambda x, y: x**y, (HIGH, LOW[0])),
    "x ** 3": Case(lambda x: x**3, (LOW,)),
    "x ** 0": Case(lambda x: x**0, (LOW,)),
    "x ** 1": Case(lambda x: x**1, (LOW,)),
    "x ** 0.5": Case(lambda x: x**0.5, (HIGH,)),
    "x ** -2": Case(lambda x: x**-2.0, (HIGH,)),
    "2 ** x": Case(lambda x: 2.0**x, (LOW,)),
    "-x": Case(lambda x: -x, (LOW,)),
    "abs(x)": Case(abs, (LOW,)),
    "matrix @ matrix": Case(lambda x, y: x @ y, (LOW, HIGH.T)),
    "vector @ matrix": Case(lambda x, y: x @ y, (LOW[:, 0], HIGH)),
    "matrix @ vector": Case(lambda x, y: x @ y, (LOW, HIGH[0])),
    "vector @ vector": Case(lambda x, y: x @ y, (LOW[0], HIGH[0])),
    "batch @ matrix": Case(lambda x, y: x @ y, (np.stack([LOW, HIGH, LOW]), HIGH.T)),
    "vector @ batch": Case(lambda x, y: x @ y, (LOW[:, 0], np.stack([LOW, HIGH, LOW]))),
    "batch @ vector": Case(lambda x, y: x @ y, (np.stack([LOW, HIGH, LOW]), HIGH[0])),
    "batch @ batch, broadcast": Case(
        lambda x, y: x @ y, (np.stack([LOW, HIGH])[:, None], np.stack([HIGH.T, LOW.T, HIGH.T]))
    ),
    "reshape": Case(lambda x: x.reshape(3, -1) ** 2, (LOW,)),
    "transpose": Case(lambda x: x.T, (LOW,)),
    "transpose axes": Case(lambda x: x.transpose(1, 2, 0), (np.stack([LOW, HIGH]),)),
    "sum": Case(lambda x: x.sum(), (LOW,)),
    "sum axis": Case(lambda x: x.sum(axis=0), (LOW,)),
    "sum negative axis": Case(lambda x: x.sum(axis=-1, keepdims=True), (LOW,)),
    "sum axes": Case(lambda x: x.sum(axis=(0, 2)), (np.stack([LOW, HIGH]),)),
    "mean": Case(lambda x: x.mean(axis=1), (LOW,)),
    "x[1]": Case(lambda x: x[1], (LOW,)),
    "x[..., ::2]": Case(lambda x: x[..., ::2], (LOW,)),
    "x[:, None, -1]": Case(lambda x: x[:, None, -1], (LOW,)),
    "x[1, 2]": Case(lambda x: x[1, 2], (LOW,)),
    "x[::-1]": Case(lambda x: x[::-1, 1:], (LOW,)),
    "broadcast_to": Case(lambda x: broadcast_to(x, (4, 2, 3)), (LOW,), lambda x: np.broadcast_to(x, (4, 2, 3))),
    "sum_to": Case(lambda x: sum_to(x, (2, 1)), (LOW,), lambda x: x.sum(1, keepdims=True)),
    "a longer one": Case(lambda x, y: (x * y - x / (y + 3)) ** 2 @ y.T, (LOW, HIGH)),
}


def numerical_gradient(function: Callable[[list[Host]], float], at: list[Host], step: float = 1e-5) -> list[Host]:
    """Return ∂f/∂xᵢ by central differences: (f(x + h) − f(x − h)) / 2h, element by element."""
    gradients = []
    for index, x in enumerate(at):
        gradient = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            ends = []
            for sign in (1, -1):
                moved = x.copy()
                moved[place] += sign * step
                ends.append(function([*at[:index], moved, *at[index + 1 :]]))
            gradient[place] = (ends[0] - ends[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def on_host(case: Case) -> Function:
    return case.same or case.function


def weights_for(shape: tuple[int, ...]) -> Host:
    """Return weights that differ, so that a gradient in the wrong place shows."""
    return np.cos(np.arange(np.prod(shape, dtype=int)) + 0.5).reshape(shape)


@pytest.mark.parametrize("name", CASES)
def test_values(backend: Backend, host: Callable[[Any], Host], name: str) -> None:
    case = CASES[name]
    y = case.function(*[Variable(backend.from_host(np.asarray(x))) for x in case.at])
    expected = on_host(case)(*case.at)
    assert isinstance(y.array, backend.array_types)
    assert y.dtype == np.float64
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(host(y), expected, rtol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_derivatives(backend: Backend, host: Callable[[Any], Host], name: str) -> None:
    case = CASES[name]
    at = [np.asarray(x) for x in case.at]
    weights = weights_for(np.shape(on_host(case)(*at)))

    def weighted(values: list[Host]) -> float:
        return float(np.sum(on_host(case)(*values) * weights))

    xs = [Variable(backend.from_host(x)) for x in at]
    y = case.function(*xs)
    y.grad = backend.from_host(weights)
    y.backward()
    for x, expected in zip(xs, numerical_gradient(weighted, at), strict=True):
        assert x.grad.dtype == x.array.dtype
        np.testing.assert_allclose(host(x.grad), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives(backend: Backend, host: Callable[[Any], Host], name: str) -> None:
    case = CASES[name]
    at = [np.asarray(x) for x in case.at]
    weights = Variable(backend.from_host(weights_for(np.shape(on_host(case)(*at)))))
    directions = [weights_for(x.shape) + 0.3 for x in at]

    def slope(values: list[Host], second: bool = False) -> Any:
        """Return Σ vᵢ · ∂y/∂xᵢ, or that with the Variables that it depends on."""
        xs = [Variable(backend.from_host(x)) for x in values]
        gradients = grad([case.function(*xs)], xs, [weights], enable_double_backprop=second)
        terms = [(g * backend.from_host(v)).sum() for g, v in zip(gradients, directions, strict=True) if g is not None]
        total = sum(terms[1:], terms[0])
        return (total, xs) if second else float(host(total))

    total, xs = slope(at, second=True)
    found = grad([total], [*xs, weights])
    for x, made, expected in zip(at, found, numerical_gradient(slope, at), strict=False):
        values = np.zeros_like(x) if made is None else host(made)
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7)
    assert found[-1] is not None  # the slope is linear in the output's gradient: its derivative there is always


# dtypes. ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "**"])
def test_raw_arrays_and_scalars_take_the_variables_dtype(
    backend: Backend, array: Callable[..., Any], host: Callable[[Any], Host], dtype: str, operator: str
) -> None:
    values = np.asarray([1.5, 2.0], dtype=dtype)
    other = "float64" if dtype == "float32" else "float32"
    operands = [2, 2.5, np.float64(2.5), np.float32(2.5), np.int64(2), np.asarray(2.5), True]
    operands += [array([2.5, 1.0], other), array([2.5, 1.0], dtype), array([2, 1], "int32"), array(2.5, other)]
    for right in operands:
        number = host(right) if isinstance(right, backend.array_types) else right
        for expression in (f"x {operator} right", f"right {operator} x"):
            if isinstance(right, backend.array_types) and not backend.on_host and expression.startswith("right"):
                continue  # the library's own operator comes first, and refuses what it does not know
            y = eval(expression, {"x": Variable(array(values, dtype)), "right": right})
            assert y.dtype == np.dtype(dtype), (expression, right)
            expected = eval(expression, {"x": values.astype("float64"), "right": np.asarray(number, "float64")})
            np.testing.assert_allclose(host(y), expected, rtol=1e-6)
            y.sum().backward()


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "**", "@"])
def test_variables_of_two_dtypes_are_refused(array: Callable[..., Any], operator: str) -> None:
    space = {"x": Variable(array([1.0], "float32")), "y": Variable(array([1.0], "float64"))}
    with pytest.raises(InvalidType, match=rf"_ \{operator} _ \(Forward\)[\s\S]*Actual: .*float32 != .*float64"):
        eval(f"x {operator} y", space)


def test_integer_variables(array: Callable[..., Any], host: Callable[[Any], Host]) -> None:
    x = Variable(array([1, 2, 3], "int32"))
    assert x.requires_grad
    for y, expected in ((x + 1, [2, 3, 4]), (x * x, [1, 4, 9]), (x - 2.7, [-1, 0, 1]), (-x, [-1, -2, -3])):
        assert y.dtype == np.int32
        np.testing.assert_array_equal(host(y), expected)
    assert x.sum().dtype == np.int32


def test_cast_brings_the_gradient_back_in_the_inputs_dtype(array: Callable[..., Any]) -> None:
    x = Variable(array([1.0, 2.0], "float32"))
    y = cast(x, "float64")
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert x.grad_var is not None
    assert x.grad_var.dtype == np.float32
    assert cast(x, "float32") is x


def test_a_complex_variable_keeps_a_factors_fraction() -> None:
    x = Variable(np.asarray([1 + 2j]))
    np.testing.assert_array_equal((x * 0.5).array, [0.5 + 1j])


def test_bfloat16_stays_bfloat16() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="needs ml_dtypes")
    x = Variable(np.asarray([1.0, 2.0], dtype=ml_dtypes.bfloat16))
    for y in (x * 2.0, x + 1, 2.0 - x, x / 2, 1.0 / x, x**2, 2.0**x, -x, x * x, abs(x)):
        assert y.dtype == ml_dtypes.bfloat16
        y.sum().backward()
    assert x.grad.dtype == ml_dtypes.bfloat16


# Shapes. ------------------------------------------------------------------------------------------------------------
SHAPES = arrays_of.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)


@settings(deadline=None, max_examples=60)
@given(shapes=SHAPES)
def test_gradients_have_their_inputs_shapes(backend: Backend, shapes: Any) -> None:
    x, y = (Variable(backend.from_host(np.ones(shape))) for shape in shapes.input_shapes)
    z = x * y + x
    assert z.shape == shapes.result_shape
    z.sum().backward()
    repeats = z.size / x.size if x.size else 0
    np.testing.assert_array_equal(backend.to_host(x.grad), np.full(x.shape, 2 * repeats))
    assert y.grad.shape == y.shape


@settings(deadline=None, max_examples=60)
@given(data=st.data(), shape=arrays_of.array_shapes(min_dims=0, max_dims=3, max_side=4))
def test_any_basic_index_agrees_with_numpy(backend: Backend, data: st.DataObject, shape: tuple[int, ...]) -> None:
    key = data.draw(arrays_of.basic_indices(shape, allow_newaxis=True))
    values = np.arange(float(np.prod(shape))).reshape(shape)
    x = Variable(backend.from_host(values))
    y = get_item(x, key)
    np.testing.assert_array_equal(backend.to_host(y.array), values[key])
    y.sum().backward()
    expected = np.zeros(shape)
    expected[key] = 1
    np.testing.assert_array_equal(backend.to_host(x.grad), expected)


def test_nothing_is_done_where_nothing_changes(array: Callable[..., Any]) -> None:
    x = Variable(array(HIGH))
    assert reshape(x, (2, 3)) is x
    assert broadcast_to(x, (2, 3)) is x
    assert sum_to(x, (2, 3)) is x


def test_shaping_mistakes(array: Callable[..., Any]) -> None:
    x = Variable(array(HIGH))
    with pytest.raises(InvalidType, match=r"sum\(axis=2\): the array has 2 axes"):
        x.sum(axis=2)
    with pytest.raises(ValueError, match=r"sum\(axis=\(0, -2\)\): the same axis twice"):
        x.sum(axis=(0, -2))
    with pytest.raises(TypeError, match="iteration over a 0-d Variable"):
        iter(x.sum())
    with pytest.raises(InvalidType, match="both operands have one axis or more"):
        x @ Variable(array(1.0))
    with pytest.raises(IndexError):
        x[5]


def test_iteration_and_length(array: Callable[..., Any], host: Callable[[Any], Host]) -> None:
    x = Variable(array(HIGH))
    assert len(x) == 2
    np.testing.assert_array_equal([host(row) for row in x], HIGH)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(host(absolute(x)), HIGH)
    np.testing.assert_array_equal(host(transpose(x)), HIGH.T)


def test_powers_at_zero(backend: Backend, array: Callable[..., Any], host: Callable[[Any], Host]) -> None:
    x = Variable(array([0.0, -1.0]))
    (x**2).sum().backward()
    np.testing.assert_array_equal(host(x.grad), [0, -2])
