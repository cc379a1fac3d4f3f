"""Compiled normalization against formulas in double, finite differences and the portable definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backend_numpy.arrays import compiled, images, in_format

from kusari.backend import get_backend
from kusari.kernels.activation import RELU, TANH
from kusari.kernels.norm import Normalization, NormalizationProblem
from kusari_numpy.kernels.norm import SMALLEST, CompiledNormalization
from kusari_numpy.threads import get_num_threads, set_num_threads

EPS = 1e-3


def problem(x: Any, axes: tuple[int, ...], **others: Any) -> NormalizationProblem:
    return NormalizationProblem(x.shape, x.dtype, x.dtype, axes, EPS, x.strides, **others)


def oracle(x: Any, gamma: Any, beta: Any, axes: tuple[int, ...]) -> Any:
    gamma, beta = (np.expand_dims(a.astype("d"), axes) for a in (gamma, beta))
    x = x.astype("d")
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPS) * gamma + beta


@st.composite
def problems(draw: Any, dtype: str) -> tuple[Any, Any, Any, CompiledNormalization]:
    """Draw x, γ, β and a plan whose blocks have few rows."""
    x = draw(images(draw(st.integers(0, 2)), dtype))
    kept = draw(st.sets(st.integers(0, x.ndim - 1), min_size=1, max_size=x.ndim - 1))
    axes = tuple(axis for axis in range(x.ndim) if axis not in kept)
    rng = np.random.default_rng(0)
    gamma, beta = (rng.standard_normal([x.shape[axis] for axis in sorted(kept)]).astype(dtype) for _ in range(2))
    plan = CompiledNormalization(get_backend("numpy"), problem(x, axes))
    plan.rows = draw(st.integers(1, 50))
    return x, gamma, beta, plan


@compiled
@settings(max_examples=60, deadline=None)
@given(data=st.data(), dtype=st.sampled_from("fd"))
def test_forward_against_the_formula(data: st.DataObject, dtype: str) -> None:
    x, gamma, beta, plan = data.draw(problems(dtype))
    axes, tolerance = plan.problem.axes, 1e-11 if dtype == "d" else 1e-5
    y, mean, var = plan.forward(x, gamma, beta)
    assert y.dtype == mean.dtype == var.dtype == x.dtype
    np.testing.assert_allclose(y, oracle(x, gamma, beta, axes), rtol=0, atol=30 * tolerance)
    np.testing.assert_allclose(mean, x.astype("d").mean(axes), rtol=0, atol=tolerance)
    np.testing.assert_allclose(var, x.astype("d").var(axes), rtol=0, atol=3 * tolerance)
    for found, again in zip(plan.statistics(x), (mean, var), strict=True):
        np.testing.assert_array_equal(found, again)
    np.testing.assert_array_equal(plan.fixed(x, gamma, beta, mean, var), y)


@compiled
@settings(max_examples=60, deadline=None)
@given(data=st.data(), activation=st.sampled_from([None, RELU, TANH]), dtype=st.sampled_from("fd"))
def test_activations_and_gradients_against_the_portable_definition(
    data: st.DataObject, activation: Any, dtype: str
) -> None:
    x, gamma, beta, plan = data.draw(problems(dtype))
    rows = plan.rows
    plan = CompiledNormalization(plan.backend, plan.problem._replace(activation=activation))
    plan.rows = rows
    gy = data.draw(st.sampled_from(["dense", "channels last", "slice"]).map(lambda f: in_format(np.cos(x * 9), f)))
    wide = [a.astype("d") for a in (x, gamma, beta, gy)]
    portable = Normalization(plan.backend, problem(wide[0], plan.problem.axes, activation=activation))
    y, mean, var = plan.forward(x, gamma, beta)
    expected_y, expected_mean, expected_var = portable.forward(*wide[:3])
    tolerance = 1e-9 if dtype == "d" else 1e-3
    np.testing.assert_allclose(y, expected_y, rtol=0, atol=tolerance)
    if activation is RELU:  # both must see the same mask
        expected_y = np.where(y > 0, np.maximum(expected_y, 1e-30), 0)
    expected = portable.backward(wide[0], wide[1], expected_mean, expected_var, expected_y, wide[3])
    for found, other in zip(plan.backward(x, gamma, mean, var, y, gy), expected, strict=True):
        assert found.dtype == x.dtype
        scale = 1 + np.abs(other).max()
        np.testing.assert_allclose(found, other, rtol=0, atol=tolerance * scale)


@compiled
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_gradients_against_finite_differences(data: st.DataObject) -> None:
    x, gamma, beta, plan = data.draw(problems("d"))
    axes, rng, step = plan.problem.axes, np.random.default_rng(1), 1e-5
    gy, *moves = (rng.standard_normal(a.shape) for a in (x, x, gamma, beta))
    _, mean, var = plan.forward(x, gamma, beta)
    gradients = plan.backward(x, gamma, mean, var, None, gy)
    for place, (move, gradient) in enumerate(zip(moves, gradients, strict=True)):
        there, back = [x, gamma, beta], [x, gamma, beta]
        there[place], back[place] = there[place] + step * move, back[place] - step * move
        slope = np.sum((oracle(*there, axes) - oracle(*back, axes)) * gy) / (2 * step)
        assert float(np.sum(gradient * move)) == pytest.approx(slope, rel=1e-5, abs=1e-4)


@compiled
@pytest.mark.parametrize("name", ["dense", "channels last"])
def test_many_blocks_give_the_same_whatever_the_number_of_threads(name: str) -> None:
    rng = np.random.default_rng(0)
    x = in_format((rng.standard_normal((11, 24, 37, 41)) + 3000).astype("f"), name)
    gamma, beta = rng.standard_normal((2, 24)).astype("f")
    p = problem(x, (0, 2, 3), activation=RELU)
    before, results = get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            plan = Normalization.plan(get_backend("numpy"), p)
            assert isinstance(plan, CompiledNormalization)
            y, mean, var = plan.forward(x, gamma, beta)
            results.append([y, mean, var, *plan.backward(x, gamma, mean, var, y, y)])
    finally:
        set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    y, mean, var = results[0][:3]
    assert y.strides == results[0][3].strides == x.strides
    # E[x²] − E[x]² in float32 would have no digit left: the mean is 3000 deviations from 0.
    np.testing.assert_allclose(var, x.astype("d").var((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(mean, x.astype("d").mean((0, 2, 3)), rtol=2e-7)


@compiled
@pytest.mark.parametrize("name", ["dense", "channels last"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_spoil_their_channel_alone(name: str, bad: float) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 40, 40))
    x[1, 1, 2, 3] = bad
    x = in_format(x, name)
    plan = CompiledNormalization(get_backend("numpy"), problem(x, (0, 2, 3), activation=RELU))
    y, mean, var = plan.forward(x, np.ones(3), np.zeros(3))
    assert np.isnan(y[:, 1]).any()
    assert np.isnan(var[1])
    assert mean[1] == bad or np.isnan(bad)
    assert np.isfinite(y[:, ::2]).all()
    gx, ggamma, gbeta = plan.backward(x, np.ones(3), mean, var, y, np.ones_like(y))
    assert np.isfinite(gx[:, ::2]).all()
    assert np.isfinite(ggamma[::2]).all()
    assert np.isfinite(gbeta).all()  # gy where y > 0, and NaN is not


@compiled
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": np.dtype("float16"), "parameter_dtype": np.dtype("float32")}, "widened by the portable definition"),
        ({"parameter_dtype": np.dtype("float64")}, "would widen"),
        ({"parameter_axes": (1, 2, 3)}, "layer and group normalization"),
        ({"axes": (0, 1, 2, 3)}, "no channels"),
        ({"x": (0, 64, 8, 8)}, f"fewer than {SMALLEST}"),
    ],
)
def test_what_it_does_not_take_goes_to_the_portable_definition(change: dict[str, Any], reason: str) -> None:
    p = problem(np.zeros((4, 64, 8, 8), "f"), (0, 2, 3))
    explain = get_backend("numpy").explain
    assert explain(Normalization, p).chosen.override.implementation is CompiledNormalization
    explanation = explain(Normalization, p._replace(**change))
    assert explanation.chosen.override.source == "portable"
    assert reason in str(explanation)
