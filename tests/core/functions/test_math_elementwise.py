"""Mathematical functions: what the kit's tables leave out: refusals, names, dtypes, ties, ends of domains."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import kusari.functions as F
from kusari.autograd import Variable
from kusari.backend import Backend
from kusari.backend.expression import evaluate, trace
from kusari.errors import InvalidType
from kusari.kernels import error_function as error

scipy_special = pytest.importorskip("scipy.special", reason="needs SciPy")

Host = np.ndarray[Any, Any]
ToHost = Callable[[Any], Host]
Make = Callable[..., Any]

UNARY = (
    "arccos arcsin arctan arctanh cos cosh exp expm1 log log10 log1p log2 rsqrt sin sinh sqrt square tan "
    "batch_l2_norm_squared cumprod cumsum logsumexp max min argmax argmin prod average mean"
).split()
SPECIAL = "digamma erf erfc erfcinv erfcx erfinv lgamma log_ndtr ndtr ndtri".split()
LABELS = {
    "arccos": "arccos", "arcsin": "arcsin", "arctan": "arctan", "arctanh": "Arctanh", "cos": "cos", "cosh": "cosh",
    "exp": "exp", "expm1": "expm1", "log": "log", "log10": "log10", "log1p": "log1p", "log2": "log2", "sin": "sin",
    "sinh": "sinh", "sqrt": "sqrt", "square": "square", "tan": "tan", "absolute": "|_|", "cumprod": "Cumprod",
    "batch_l2_norm_squared": "BatchL2NormSquared", "cumsum": "Cumsum", "logsumexp": "LogSumExp", "max": "Max",
    "min": "Min", "prod": "Prod", "average": "Mean", "identity": "Identity",
    **{name: name for name in SPECIAL},
}  # fmt: skip


@pytest.mark.parametrize("name", [*UNARY, *SPECIAL])
def test_integers_are_refused(array: Make, name: str) -> None:
    with pytest.raises(InvalidType, match=r"floating[\s\S]*int32"):
        getattr(F, name)(array([[1, 2], [3, 4]], "int32"))


@pytest.mark.parametrize("name", LABELS)
def test_hooks_see_the_documented_names(array: Make, name: str) -> None:
    y = getattr(F, name)(Variable(array([[0.25, 0.5]])))
    assert y.creator_node is not None
    assert y.creator_node.label == LABELS[name]


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmod", "arctan2"])
def test_pairs_of_two_dtypes_or_integers_are_refused(array: Make, name: str) -> None:
    x, y = array([1.0, 2.0], "float32"), array([1.0, 2.0], "float64")
    with pytest.raises(InvalidType, match=r"float32 != .*float64"):
        getattr(F, name)(x, y)
    with pytest.raises(InvalidType, match="floating"):
        getattr(F, name)(array([1], "int32"), array([1], "int32"))
    with pytest.raises(TypeError):
        getattr(F, name)(x, 0.5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", [*UNARY, *SPECIAL])
def test_16_bit_dtypes_stay(name: str, dtype: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="needs ml_dtypes")
    native = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    x = Variable(np.asarray([[0.25, 0.5], [0.75, 0.5]], native))
    y = getattr(F, name)(x)
    if name.startswith("arg"):
        assert y.dtype == np.int32
        return
    assert y.dtype == native
    y.grad = np.ones_like(y.array)
    y.backward()
    assert x.grad.dtype == native
    wide = Variable(x.array.astype("float64"))
    z = getattr(F, name)(wide)
    z.grad = np.ones_like(z.array)
    z.backward()
    np.testing.assert_allclose(y.array.astype("float64"), z.array, rtol=0.05, atol=0.02)
    np.testing.assert_allclose(x.grad.astype("float64"), wide.grad, rtol=0.08, atol=0.05)


def test_a_large_float16_mean_does_not_overflow() -> None:
    x = np.full(70000, 2.0, "float16")
    assert F.average(x).array == 2
    assert F.mean(Variable(x)).dtype == np.float16


@pytest.mark.parametrize(("name", "expected"), [("ceil", [-1, 2, 3]), ("floor", [-2, 1, 3]), ("fix", [-1, 1, 3])])
def test_rounding_lets_no_gradient_through(array: Make, host: ToHost, name: str, expected: list[int]) -> None:
    y = getattr(F, name)(Variable(array([-1.5, 1.25, 3.0])))
    assert y.creator_node is None
    assert not y.requires_grad
    np.testing.assert_array_equal(host(y), expected)
    whole = getattr(F, name)(array([1, -2], "int32"))
    assert whole.dtype == np.int32
    np.testing.assert_array_equal(host(whole), [1, -2])


def test_ties_of_maximum_and_minimum_go_to_the_first(array: Make, host: ToHost) -> None:
    for function, first, second in ((F.maximum, [1, 1, 0], [0, 0, 1]), (F.minimum, [1, 0, 1], [0, 1, 0])):
        x, y = Variable(array([1.0, 2.0, 3.0])), Variable(array([1.0, 1.0, 4.0]))
        z = function(x, y)
        z.sum().backward()
        np.testing.assert_array_equal(host(x.grad), first)
        np.testing.assert_array_equal(host(y.grad), second)


def test_every_tie_of_max_gets_the_gradient(array: Make, host: ToHost) -> None:
    x = Variable(array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]]))
    F.max(x, axis=1).sum().backward()
    np.testing.assert_array_equal(host(x.grad), [[1, 1, 0], [0, 1, 1]])
    assert int(host(F.argmax(array([3.0, 5.0, 5.0])))) == 1
    assert F.argmin(array([[3.0, 5.0]]), axis=1).dtype == np.int32


def test_clip(array: Make, host: ToHost) -> None:
    x = Variable(array([-1.0, 0.0, 0.5, 1.0, 2.0], "float32"))
    y = F.clip(x, np.float64(0), np.float64(1))
    assert y.dtype == np.float32
    y.sum().backward()
    np.testing.assert_array_equal(host(x.grad), [0, 1, 1, 1, 0])  # the ends belong to the range
    np.testing.assert_array_equal(host(F.clip(x, None, None)), host(x))
    for low, high in ((1, 1), (2, 1)):
        with pytest.raises(ValueError, match="expected x_min below x_max"):
            F.clip(x, low, high)


def test_gradients_of_products_with_zeros(array: Make, host: ToHost) -> None:
    for values, expected in (([0, 2, 3], [6, 0, 0]), ([0, 0, 3], [0, 0, 0]), ([4, 2, 3], [6, 12, 8])):
        x = Variable(array(values))
        F.prod(x).backward()
        np.testing.assert_array_equal(host(x.grad), expected)
    x = Variable(array([2.0, 0.0, 3.0]))
    F.cumprod(x).sum().backward()
    np.testing.assert_array_equal(host(x.grad), [1, 8, 0])


def test_logsumexp_at_infinity(array: Make, host: ToHost) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = array([[-np.inf, -np.inf], [np.inf, 1.0], [1000.0, 1000.0], [-np.inf, 2.0]])
        np.testing.assert_allclose(host(F.logsumexp(x, axis=1)), [-np.inf, np.inf, 1000 + np.log(2), 2])


def test_fmod_is_c_s(array: Make, host: ToHost) -> None:
    x, divisor = Variable(array([5.5, -5.5, 5.5, -5.5])), Variable(array([2.0, 2.0, -2.0, -2.0]))
    y = F.fmod(x, divisor)
    np.testing.assert_array_equal(host(y), np.fmod(host(x), host(divisor)))
    y.sum().backward()
    np.testing.assert_array_equal(host(x.grad), [1, 1, 1, 1])
    np.testing.assert_array_equal(host(divisor.grad), [-2, 2, 2, -2])
    # 0.6 / 0.2 is 2.9999999999999996: the quotient is the one that belongs to the remainder.
    near = Variable(array([0.6]))
    small = Variable(array([0.2]))
    F.fmod(near, small).sum().backward()
    assert float(host(small.grad)[0]) == -round((0.6 - np.fmod(0.6, 0.2)) / 0.2)


def test_add(array: Make, host: ToHost) -> None:
    x, y, z = (Variable(array(v)) for v in ([[1.0, 2.0]], [[10.0], [20.0]], 5.0))
    total = F.add(x, y, z)
    np.testing.assert_array_equal(host(total), [[16, 17], [26, 27]])
    assert total.creator_node.label == "MultiAdd"
    total.sum().backward()
    for v, expected in ((x, [[2, 2]]), (y, [[2], [2]]), (z, 4)):
        np.testing.assert_array_equal(host(v.grad), expected)
    np.testing.assert_array_equal(host(F.add(x, 1.5)), [[2.5, 3.5]])
    np.testing.assert_array_equal(host(F.add(x)), [[1, 2]])
    with pytest.raises(TypeError, match="expected one array or more"):
        F.add()
    with pytest.raises(InvalidType, match=r"float64 != .*float32"):
        F.add(x, x, array([[1.0]], "float32"))


def test_identity(array: Make) -> None:
    x, y = Variable(array([1.0])), Variable(array([2.0], "float32"))
    assert F.identity() == ()
    assert F.identity(x).array is x.array
    made = F.identity(x, y)
    assert [v.dtype for v in made] == [np.float64, np.float32]
    made[1].grad = y.xp.ones_like(y.array)
    made[1].backward()
    assert x.grad is None
    assert y.grad is not None


# Axes. --------------------------------------------------------------------------------------------------------------
SEVERAL = "sum max min prod average mean logsumexp".split()
SINGLE = "argmax argmin cumsum cumprod".split()


@pytest.mark.parametrize("name", [*SEVERAL, *SINGLE])
def test_axes_that_are_not_there(array: Make, name: str) -> None:
    for axis in (2, -3):
        with pytest.raises(InvalidType, match=r"the array has 2 axes"):
            getattr(F, name)(array([[1.0, 2.0]]), axis=axis)
    for bad in ("a", 1.0, [0]):
        with pytest.raises(TypeError, match=r"axis=.*expected None"):
            getattr(F, name)(array([[1.0, 2.0]]), axis=bad)


@pytest.mark.parametrize("name", SEVERAL)
def test_axes_twice(array: Make, name: str) -> None:
    for axis in ((0, 0), (0, -2)):
        with pytest.raises(ValueError, match="same axis twice"):
            getattr(F, name)(array([[1.0, 2.0]]), axis=axis)
    with pytest.raises(TypeError, match="expected None"):
        getattr(F, name)(array([[1.0, 2.0]]), axis=(0, "a"))


@pytest.mark.parametrize("name", SINGLE)
def test_one_axis_only(array: Make, name: str) -> None:
    with pytest.raises(TypeError, match="expected None or an int"):
        getattr(F, name)(array([[1.0, 2.0]]), axis=(0,))


def test_weights_of_average(array: Make, host: ToHost) -> None:
    x = Variable(array([[1.0, 2.0, 6.0], [3.0, 5.0, 7.0]], "float32"))
    y = F.average(x, axis=1, weights=array([1.0, 2.0, 1.0]))  # a bare array takes x's dtype
    assert y.dtype == np.float32
    np.testing.assert_allclose(host(y), [2.75, 5.0])
    with pytest.raises(InvalidType, match=r"\(2,\)[\s\S]*\(3,\)"):
        F.average(x, axis=0, weights=array([1, 2, 1], "float32"))
    with pytest.raises(InvalidType, match="weights of shape"):
        F.average(x, weights=array([1, 2, 1], "float32"))
    with pytest.raises(ValueError, match="weights go with one axis"):
        F.average(x, axis=(0, 1), weights=x)
    with pytest.raises(InvalidType, match=r"float32 != .*float64"):
        F.average(x, axis=1, weights=Variable(array([1, 2, 1])))


def test_the_mean_of_nothing(array: Make, host: ToHost) -> None:
    assert np.isnan(host(F.mean(array(np.zeros((0, 3))))))
    assert F.mean(array(np.zeros((0, 3))), axis=1).shape == (0,)


@pytest.mark.parametrize("name", ["bias", "scale"])
def test_what_does_not_fit_along_an_axis(array: Make, name: str) -> None:
    x = array(np.ones((2, 3)))
    for y, axis in ((np.ones(2), 1), (np.ones((3, 4)), 1), (np.ones(2), 2), (np.ones(2), -3), (np.ones((2, 3, 1)), 0)):
        with pytest.raises(InvalidType, match=rf"{name}\(axis={axis}\)"):
            getattr(F, name)(x, array(y), axis=axis)
    with pytest.raises(InvalidType, match=r"float64 != .*float32"):
        getattr(F, name)(x, Variable(array(np.ones(3), "float32")))


def test_linear_interpolate_takes_one_shape_and_dtype(array: Make) -> None:
    x = array([1.0, 2.0])
    for y in (array([[1.0, 2.0]]), array([1.0, 2.0], "float32"), array([1], "int32")):
        with pytest.raises(InvalidType):
            F.linear_interpolate(x, x, y)


def test_batch_norms_need_a_batch(array: Make) -> None:
    with pytest.raises(InvalidType, match=r"ndim >= 2[\s\S]*1 < 2"):
        F.batch_l2_norm_squared(array([1.0, 2.0]))


# Properties. --------------------------------------------------------------------------------------------------------
VALUES = st.floats(-2, 2, width=32).filter(lambda v: abs(v) > 1e-3) | st.just(0.0)


@settings(deadline=None, max_examples=40)
@given(
    data=st.data(),
    values=arrays_of.arrays("float64", arrays_of.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=VALUES),
)
def test_products_of_all_but_one(backend: Backend, data: st.DataObject, values: Host) -> None:
    axes = tuple(data.draw(st.permutations(range(values.ndim)))[: data.draw(st.integers(0, values.ndim))])
    x = Variable(backend.from_host(values))
    y = F.prod(x, axis=axes)
    np.testing.assert_allclose(backend.to_host(y.array), values.prod(axis=axes), rtol=1e-12)
    y.sum().backward()
    expected = np.zeros(values.shape)
    for place in np.ndindex(values.shape):
        others = values.copy()
        others[place] = 1
        kept = tuple(i for axis, i in enumerate(place) if axis not in axes)
        expected[place] = others.prod(axis=axes)[kept]
    np.testing.assert_allclose(backend.to_host(x.grad), expected, rtol=1e-11, atol=1e-300)


@settings(deadline=None, max_examples=40)
@given(values=arrays_of.arrays("float64", st.integers(1, 20), elements=VALUES))
def test_the_gradient_of_a_running_product(backend: Backend, values: Host) -> None:
    x = Variable(backend.from_host(values))
    weights = np.cos(np.arange(len(values)))
    y = F.cumprod(x)
    y.grad = backend.from_host(weights)
    y.backward()
    expected = [
        sum(weights[i] * np.prod(np.delete(values[: i + 1], k)) for i in range(k, len(values)))
        for k in range(len(values))
    ]
    np.testing.assert_allclose(backend.to_host(x.grad), expected, rtol=1e-9, atol=1e-12)


# Compiled kernels. ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kernel", [error.erf, error.erfc, error.erfcx, error.ndtr, error.log_ndtr])
def test_error_functions_can_be_compiled(kernel: Any) -> None:
    expression = trace(kernel.portable, kernel.__name__)
    x = np.linspace(-6, 6, 301, dtype="float32")
    y = evaluate(expression, np, [x])
    assert y.dtype == np.float32
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(y, getattr(scipy_special, kernel.__name__)(x.astype("float64")), rtol=3e-5)


def test_error_functions_keep_their_digits_where_they_are_tiny(array: Make, host: ToHost) -> None:
    x = np.linspace(0, 26, 400)
    expected = [math.erfc(v) for v in x]
    np.testing.assert_allclose(host(F.erfc(array(x))), expected, rtol=1e-14)
    np.testing.assert_allclose(host(F.ndtr(array(-x))), scipy_special.ndtr(-x), rtol=1e-12)
    np.testing.assert_allclose(host(F.erf(array(x / 1e300))), x / 1e300 * 2 / math.sqrt(math.pi), rtol=1e-14)
    np.testing.assert_allclose(host(F.log_ndtr(array(-x * 10))), scipy_special.log_ndtr(-x * 10), rtol=1e-13)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(host(F.erfcx(array([np.inf, -np.inf, np.nan]))), [0, np.inf, np.nan])


def test_the_gradient_of_log_ndtr_neither_overflows_nor_vanishes(array: Make, host: ToHost) -> None:
    x = Variable(array([-1000.0, -50.0, 0.0, 5.0, 1000.0], "float32"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.log_ndtr(x).sum().backward()
    values = host(x).astype("float64")
    expected = np.exp(-(values**2) / 2 - scipy_special.log_ndtr(values)) / math.sqrt(2 * math.pi)
    expected[0] = 1000.001  # −x (1 + 1/x²), where the exponents cancel
    np.testing.assert_allclose(host(x.grad), expected, rtol=1e-4, atol=1e-30)


def test_the_gradient_of_log_ndtr_in_16_bits() -> None:
    x = Variable(np.asarray([-3.0, 3.0, 10.0], "float16"))
    F.log_ndtr(x).sum().backward()
    values = x.array.astype("float64")
    expected = np.exp(-(values**2) / 2 - scipy_special.log_ndtr(values)) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(x.grad, expected, rtol=1e-2, atol=1e-4)
