"""What normalizations do beside their numbers: running statistics, warnings, memory formats, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.parameter import Parameter
from kusari.backend import Backend, Device, get_backend
from kusari.errors import DeviceMismatch, InvalidType

Host = np.ndarray[Any, Any]
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.normal(2.0, 3.0, (4, 3, 2, 5))


def ones(shape: Any, dtype: str = "float64") -> Host:
    return np.ones(shape, dtype)


# Running statistics. ------------------------------------------------------------------------------------------------


def test_running_statistics_follow_the_batch(backend: Backend) -> None:
    x, gamma, beta = (backend.from_host(a) for a in (IMAGES, ones(3), np.zeros(3)))
    mean, var = backend.from_host(np.asarray([1.0, 2, 3])), backend.from_host(np.asarray([4.0, 5, 6]))
    F.batch_normalization(x, gamma, beta, running_mean=mean, running_var=var, decay=0.7)
    per_channel = np.moveaxis(IMAGES, 1, 0).reshape(3, -1)
    expected_mean = 0.7 * np.asarray([1.0, 2, 3]) + 0.3 * per_channel.mean(axis=1)
    expected_var = 0.7 * np.asarray([4.0, 5, 6]) + 0.3 * per_channel.var(axis=1, ddof=1)
    np.testing.assert_allclose(backend.to_host(mean), expected_mean, rtol=1e-12)
    np.testing.assert_allclose(backend.to_host(var), expected_var, rtol=1e-12)


@pytest.mark.parametrize("kept", ["float16", "float32", "float64"])
def test_running_statistics_keep_their_dtype(kept: str) -> None:
    x, mean = IMAGES.astype("float16"), np.zeros(3, kept)
    F.batch_normalization(x, ones(3, "f"), ones(3, "f"), running_mean=mean)
    assert mean.dtype == kept
    expected = 0.1 * x.astype("float64").mean(axis=(0, 2, 3))
    np.testing.assert_allclose(mean, expected, rtol=1e-3 if kept == "float16" else 1e-6)


def test_a_running_parameter_gets_a_new_version() -> None:
    mean = Parameter(np.zeros(3))
    before = mean.version
    F.batch_normalization(IMAGES, ones(3), ones(3), running_mean=mean)
    assert mean.version > before
    np.testing.assert_allclose(mean.array, 0.1 * IMAGES.mean(axis=(0, 2, 3)))


def test_an_empty_batch_changes_no_running_statistic(backend: Backend) -> None:
    mean, var = backend.from_host(ones(3)), backend.from_host(ones(3))
    x, gamma = backend.from_host(np.zeros((0, 3))), backend.from_host(ones(3))
    y = F.batch_normalization(x, gamma, gamma, running_mean=mean, running_var=var)
    assert y.shape == (0, 3)
    np.testing.assert_array_equal(backend.to_host(mean), ones(3))
    np.testing.assert_array_equal(backend.to_host(var), ones(3))


def test_a_second_derivative_leaves_running_statistics_alone() -> None:
    x, mean = Variable(IMAGES), np.zeros(3)
    y = F.batch_normalization(x, ones(3), ones(3), running_mean=mean)
    before = mean.copy()
    y.grad = np.ones_like(y.array)
    y.backward(enable_double_backprop=True)
    np.testing.assert_array_equal(mean, before)


def test_running_statistics_must_fit() -> None:
    with pytest.raises(ValueError, match=r"shape \(4,\); expected \(3,\)"):
        F.batch_normalization(IMAGES, ones(3), ones(3), running_mean=np.zeros(4))


def test_running_statistics_must_be_where_the_batch_is(strict: Backend) -> None:
    here, there = (Device(strict, index) for index in (0, 1))
    x, gamma = (here.send(a) for a in (IMAGES, ones(3)))
    with pytest.raises(DeviceMismatch):
        F.batch_normalization(x, gamma, gamma, running_mean=there.send(np.zeros(3)))


def test_one_number_per_mean_is_worth_a_warning() -> None:
    with pytest.warns(UserWarning, match="larger batch"):
        y = F.batch_normalization(ones((1, 3)), ones(3), np.asarray([0.0, 1, 2]))
    np.testing.assert_array_equal(y.array, [[0, 1, 2]])


# Axes, dtypes, memory formats, activations. -------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_every_set_has_mean_0_and_variance_1(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(2, 4), min_size=2, max_size=4).map(tuple))
    axes = data.draw(st.sets(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=len(shape) - 1))
    axes = {axis % len(shape) for axis in axes}
    if len(axes) == len(shape):
        axes.pop()
    seed = data.draw(st.integers(0, 99))
    x = np.random.default_rng(seed).normal(5.0, 7.0, shape)
    kept = [length for axis, length in enumerate(shape) if axis not in axes]
    y = F.batch_normalization(x, ones(kept), np.zeros(kept), axis=tuple(axes), eps=0.0).array
    np.testing.assert_allclose(y.mean(axis=tuple(axes)), np.zeros(kept), atol=1e-12)
    np.testing.assert_allclose(y.var(axis=tuple(axes)), ones(kept), atol=1e-10)


@pytest.mark.parametrize("axis", [0, (0,), (-4,)])
def test_means_are_over_what_gamma_lacks(axis: Any) -> None:
    gamma = ones((3, 2, 5))
    expected = F.batch_normalization(IMAGES, gamma, gamma, axis=axis).array
    np.testing.assert_array_equal(F.batch_normalization(IMAGES, gamma, gamma).array, expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits_have_float32_statistics(dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="needs ml_dtypes")
    x = get_backend("numpy").xp.asarray(np.linspace(100, 110, 4096).reshape(-1, 1)).astype(np.dtype(dtype))
    gamma = Variable(ones(1, "float32"))
    y = F.batch_normalization(x, gamma, np.zeros(1, "float32"))
    wide = x.astype("float64")
    expected = (wide - wide.mean()) / np.sqrt(wide.var() + 2e-5)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y.array.astype("float64"), expected, atol=2e-2)  # one rounding to 16 bits
    y.grad = np.ones_like(y.array)
    y.backward()
    assert gamma.grad.dtype == np.float32


def channels_last(shape: tuple[int, ...]) -> Host:
    n, c, *spatial = shape
    return np.moveaxis(GENERATOR.normal(size=(n, *spatial, c)), -1, 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, g: F.batch_normalization(x, g, g, activation=F.relu),
        lambda x, g: F.fixed_batch_normalization(x, g, g, g, g),
        lambda x, g: F.group_normalization(x, 2, g, g),
    ],
    ids=["batch", "fixed", "group"],
)
def test_memory_formats_are_kept(function: Callable[..., Variable]) -> None:
    x = Variable(channels_last((2, 4, 3, 5)))
    y = function(x, ones(4))
    assert y.array.strides == x.array.strides
    y.grad = channels_last(y.shape)
    y.backward()
    assert x.grad.strides == x.array.strides


def test_any_function_may_be_the_activation(backend: Backend) -> None:
    x, gamma = backend.from_host(IMAGES), backend.from_host(ones(3))

    def cube(y: Variable) -> Variable:
        return y * y * y

    plain = F.batch_normalization(x, gamma, gamma)
    for activation, expected in ((F.relu, F.relu(plain)), (cube, cube(plain))):
        fused = F.batch_normalization(x, gamma, gamma, activation=activation)
        np.testing.assert_allclose(backend.to_host(fused.array), backend.to_host(expected.array), atol=1e-12)
    with pytest.raises(TypeError, match="expected a function"):
        F.batch_normalization(x, gamma, gamma, activation="relu")  # type: ignore[arg-type]


# Renormalization. ---------------------------------------------------------------------------------------------------


def test_renormalization_is_clipped_and_updates_on_demand(backend: Backend) -> None:
    mean, var = np.asarray([1.0, -5, 2.1]), np.asarray([4.0, 100, 9])
    x, gamma, beta = IMAGES, np.asarray([1.0, 2, 3]), np.asarray([0.0, 1, 2])
    arrays = [backend.from_host(a) for a in (x, gamma, beta)]
    running = {"running_mean": backend.from_host(mean), "running_var": backend.from_host(var)}
    y = F.batch_renormalization(*arrays, 1.5, 0.5, **running)
    np.testing.assert_array_equal(backend.to_host(running["running_mean"]), mean)
    shape = (1, 3, 1, 1)
    m, s, running_s = x.mean(axis=(0, 2, 3)), np.sqrt(x.var(axis=(0, 2, 3)) + 2e-5), np.sqrt(var + 2e-5)
    r, d = np.clip(s / running_s, 1 / 1.5, 1.5), np.clip((m - mean) / running_s, -0.5, 0.5)
    assert 1 / 1.5 in r  # one is clipped, one is not
    assert any(abs(d) < 0.5)
    normal = (x - m.reshape(shape)) / s.reshape(shape) * r.reshape(shape) + d.reshape(shape)
    expected = normal * gamma.reshape(shape) + beta.reshape(shape)
    np.testing.assert_allclose(backend.to_host(y.array), expected, atol=1e-12)
    F.batch_renormalization(*arrays, 1.5, 0.5, **running, update_statistics=True, decay=0.5)
    np.testing.assert_allclose(backend.to_host(running["running_mean"]), 0.5 * mean + 0.5 * m)


def test_gradients_of_renormalization_take_the_correction_for_constant(backend: Backend) -> None:
    x, gamma, beta = (Variable(backend.from_host(a)) for a in (IMAGES, ones(3), ones(3)))
    running = {"running_mean": backend.from_host(ones(3)), "running_var": backend.from_host(ones(3) * 4)}
    y = F.batch_renormalization(x, gamma, beta, 2.0, 1.0, **running)
    weights = backend.from_host(GENERATOR.normal(size=IMAGES.shape))
    m, s = IMAGES.mean(axis=(0, 2, 3)), np.sqrt(IMAGES.var(axis=(0, 2, 3)) + 2e-5)
    r, d = np.clip(s / np.sqrt(4 + 2e-5), 0.5, 2.0), np.clip((m - 1) / np.sqrt(4 + 2e-5), -1, 1)
    twins = [Variable(v.array) for v in (x, gamma, beta)]
    r, d = backend.from_host(r), backend.from_host(d)
    same = F.batch_normalization(twins[0], twins[1] * r, twins[2] + twins[1] * d)
    for output in (y, same):
        output.grad = weights
        output.backward()
    for made, expected in zip((x, gamma, beta), twins, strict=True):
        np.testing.assert_allclose(backend.to_host(made.grad), backend.to_host(expected.grad), atol=1e-12)


def test_renormalization_needs_running_statistics() -> None:
    with pytest.raises(TypeError, match="running_var is required"):
        F.batch_renormalization(IMAGES, ones(3), ones(3), 1, 0, running_mean=ones(3))


def test_fixed_renormalization_is_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="fixed_batch_normalization"):
        y = F.fixed_batch_renormalization(IMAGES, ones(3), ones(3), ones(3), ones(3))
    expected = F.fixed_batch_normalization(IMAGES, ones(3), ones(3), ones(3), ones(3))
    np.testing.assert_array_equal(y.array, expected.array)


# Whitening. ---------------------------------------------------------------------------------------------------------


def test_whitened_channels_are_uncorrelated(backend: Backend) -> None:
    x = GENERATOR.normal(size=(40, 6, 2)) @ GENERATOR.normal(size=(2, 2)) + 3
    mean, projection = backend.from_host(np.zeros((2, 3))), backend.from_host(np.zeros((2, 3, 3)))
    y = F.decorrelated_batch_normalization(
        backend.from_host(x), groups=2, eps=1e-9, running_mean=mean, running_projection=projection, decay=0.0
    )
    host = np.moveaxis(backend.to_host(y.array), 1, 0).reshape(2, 3, -1)
    for part in host:
        np.testing.assert_allclose(np.cov(part, bias=True), np.eye(3), atol=1e-6)
    np.testing.assert_allclose(backend.to_host(mean).ravel(), x.mean(axis=(0, 2)))
    fixed = F.fixed_decorrelated_batch_normalization(backend.from_host(x), mean, projection, groups=2)
    # The running projection is the batch's times m / (m − 1).
    np.testing.assert_allclose(backend.to_host(fixed.array) * 79 / 80, backend.to_host(y.array), atol=1e-9)


def test_whitening_keeps_16_bits() -> None:
    assert F.decorrelated_batch_normalization(IMAGES.astype("float16"), groups=1).dtype == np.float16


# Unit length, channels. ---------------------------------------------------------------------------------------------


def test_a_vector_of_zeros_has_a_gradient(backend: Backend) -> None:
    x = Variable(backend.from_host(np.zeros((2, 3))))
    y = F.normalize(x, eps=0.5)
    y.grad = backend.from_host(ones((2, 3)))
    y.backward(enable_double_backprop=True)
    np.testing.assert_array_equal(backend.to_host(x.grad), np.full((2, 3), 2.0))


def test_squares_do_not_overflow_float16() -> None:
    y = F.normalize(np.asarray([[300.0, 400.0]], "float16"))
    np.testing.assert_allclose(y.array, [[0.6, 0.8]], rtol=1e-3)
    assert np.all(np.isfinite(F.local_response_normalization(np.full((1, 3), 300, "float16")).array))


def test_an_even_number_of_channels_counts_as_the_next_odd_one() -> None:
    x = GENERATOR.normal(size=(2, 7))
    even, odd = (F.local_response_normalization(x, n=n, alpha=1.0).array for n in (4, 5))
    np.testing.assert_array_equal(even, odd)


# Bad input. ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["train", "test"])
def test_keywords_of_old_get_advice(keyword: str) -> None:
    with pytest.raises(ValueError, match="this argument is gone"):
        F.batch_normalization(IMAGES, ones(3), ones(3), **{keyword: True})


def test_unknown_keywords_are_refused() -> None:
    with pytest.raises(TypeError, match="'epsilon'"):
        F.batch_normalization(IMAGES, ones(3), ones(3), epsilon=1.0)


INTEGERS = np.ones((2, 4), "int32")
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception]]] = {
    "batch: integers": (lambda: F.batch_normalization(INTEGERS, ones(4), ones(4)), InvalidType),
    "batch: 0-d": (lambda: F.batch_normalization(ones(()), ones(()), ones(())), InvalidType),
    "batch: gamma": (lambda: F.batch_normalization(IMAGES, ones(4), ones(4)), InvalidType),
    "batch: beta": (lambda: F.batch_normalization(IMAGES, ones(3), ones(2)), InvalidType),
    "batch: gamma's rank": (lambda: F.batch_normalization(IMAGES, ones((3, 1)), ones((3, 1)), axis=0), InvalidType),
    "batch: an axis twice": (lambda: F.batch_normalization(IMAGES, ones(3), ones(3), axis=(0, 2, 2)), ValueError),
    "batch: no such axis": (lambda: F.batch_normalization(IMAGES, ones(3), ones(3), axis=(0, 2, 4)), InvalidType),
    "batch: not an axis": (lambda: F.batch_normalization(IMAGES, ones(3), ones(3), axis="0"), TypeError),  # type: ignore[arg-type]
    "fixed: mean": (lambda: F.fixed_batch_normalization(IMAGES, ones(3), ones(3), ones(4), ones(3)), InvalidType),
    "layer: rank": (lambda: F.layer_normalization(IMAGES, ones(5), ones(5)), InvalidType),
    "layer: gamma": (lambda: F.layer_normalization(ones((2, 4)), ones(5), ones(5)), InvalidType),
    "group: no divisor": (lambda: F.group_normalization(IMAGES, 2, ones(3), ones(3)), ValueError),
    "group: none": (lambda: F.group_normalization(IMAGES, 0, ones(3), ones(3)), ValueError),
    "group: a fraction": (lambda: F.group_normalization(IMAGES, 1.5, ones(3), ones(3)), TypeError),  # type: ignore[arg-type]
    "group: rank": (lambda: F.group_normalization(ones(3), 1, ones(3), ones(3)), InvalidType),
    "group: gamma": (lambda: F.group_normalization(IMAGES, 3, ones(4), ones(3)), InvalidType),
    "group: integers": (lambda: F.group_normalization(INTEGERS, 2, ones(4), ones(4)), InvalidType),
    "whiten: no divisor": (lambda: F.decorrelated_batch_normalization(IMAGES), InvalidType),
    "whiten: rank": (lambda: F.decorrelated_batch_normalization(ones(4), groups=2), InvalidType),
    "whiten: integers": (lambda: F.decorrelated_batch_normalization(INTEGERS, groups=2), InvalidType),
    "whiten: projection": (
        lambda: F.fixed_decorrelated_batch_normalization(IMAGES, ones((1, 3)), ones((3, 3)), groups=1),
        InvalidType,
    ),
    "unit: integers": (lambda: F.normalize(INTEGERS), InvalidType),
    "unit: no such axis": (lambda: F.normalize(ones(3)), InvalidType),
    "unit: an axis twice": (lambda: F.normalize(IMAGES, axis=(1, 1)), ValueError),
    "unit: a fraction": (lambda: F.normalize(IMAGES, axis=1.0), TypeError),  # type: ignore[arg-type]
    "response: rank": (lambda: F.local_response_normalization(ones(3)), InvalidType),
    "response: integers": (lambda: F.local_response_normalization(INTEGERS), InvalidType),
    "response: negative": (lambda: F.local_response_normalization(IMAGES, n=-1), ValueError),
}


@pytest.mark.parametrize(("call", "error"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused(call: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
