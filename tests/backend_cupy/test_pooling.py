"""Pooling's kernels, compiled for the host, against a loop over windows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.backend_cupy.host_cupy import array, host_backend

from kusari.kernels.pooling import AveragePooling, MaxPooling, PoolingProblem
from kusari.kernels.window import Window
from kusari_cupy.kernels.pooling import CupyAveragePooling, CupyMaxPooling

HOST = host_backend()


@st.composite
def problems(draw: st.DrawFn) -> PoolingProblem:
    axes = draw(st.integers(1, 3))
    choices = (st.integers(1, 3), st.integers(1, 3), st.integers(0, 1), st.integers(1, 2))
    window = Window(*(tuple(draw(choice) for _ in range(axes)) for choice in choices))
    assume(all(p <= k // 2 for p, k in zip(window.pad, window.size, strict=True)))
    shape = (
        draw(st.integers(1, 2)),
        draw(st.integers(1, 3)),
        *(draw(st.integers(2, 6 if axes < 3 else 4)) for _ in range(axes)),
    )
    cover_all = draw(st.booleans())
    assume(all(n >= 1 for n in window.out_shape(shape[2:], cover_all)))
    return PoolingProblem(shape, window, np.dtype("float64"), cover_all=cover_all, count_border=draw(st.booleans()))


def windows(problem: PoolingProblem) -> Any:
    """Yield each output's index, and the (place, pixel) pairs that its window sees within the image."""
    window, spatial = problem.window, problem.x[2:]
    for out in itertools.product(*map(range, problem.out_shape)):
        seen = []
        for place, tap in enumerate(itertools.product(*map(range, window.size))):
            pixel = tuple(
                o * s - p + k * d
                for o, s, p, k, d in zip(out, window.stride, window.pad, tap, window.dilate, strict=True)
            )
            if all(0 <= i < n for i, n in zip(pixel, spatial, strict=True)):
                seen.append((place, pixel))
        yield out, seen


@settings(max_examples=40, deadline=None)
@given(problems(), st.integers(0, 9))
def test_max_pooling_is_the_loops(problem: PoolingProblem, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 3, problem.x).astype("d")  # with equals
    gy = rng.standard_normal((*problem.x[:2], *problem.out_shape))
    plan = MaxPooling.plan(HOST, problem)
    assert isinstance(plan, CupyMaxPooling)
    y, place = plan.forward(array(x))
    gx, picked = plan.grad_input(place, array(gy)), plan.gather(place, array(x))
    expected_gx = np.zeros_like(x)
    for n, c in np.ndindex(*problem.x[:2]):
        for out, seen in windows(problem):
            assume(bool(seen))  # cover_all may hang a window wholly over the edge
            best = max(x[(n, c, *pixel)] for _, pixel in seen)
            first, pixel = next((at, pixel) for at, pixel in seen if x[(n, c, *pixel)] == best)
            assert y[(n, c, *out)] == picked[(n, c, *out)] == best
            assert place[(n, c, *out)] == first
            expected_gx[(n, c, *pixel)] += gy[(n, c, *out)]
    np.testing.assert_allclose(gx, expected_gx, rtol=1e-12, atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_average_pooling_is_the_loops(problem: PoolingProblem) -> None:
    rng = np.random.default_rng(0)
    x, gy = rng.standard_normal(problem.x), rng.standard_normal((*problem.x[:2], *problem.out_shape))
    plan = AveragePooling.plan(HOST, problem)
    assert isinstance(plan, CupyAveragePooling)
    y, gx = plan.forward(array(x)), plan.grad_input(array(gy))
    expected_y, expected_gx = np.zeros(gy.shape), np.zeros_like(x)
    for out, seen in windows(problem):
        count = np.prod(problem.window.size) if problem.count_border else max(len(seen), 1)
        for _, pixel in seen:
            expected_y[(..., *out)] += x[(..., *pixel)] / count
            expected_gx[(..., *pixel)] += gy[(..., *out)] / count
    np.testing.assert_allclose(y, expected_y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(gx, expected_gx, rtol=1e-12, atol=1e-14)


def test_a_nan_wins_and_its_first_place_stays() -> None:
    problem = PoolingProblem((1, 1, 1, 4), Window((1, 4), (1, 4), (0, 0), (1, 1)), np.dtype("float32"))
    y, place = MaxPooling.plan(HOST, problem).forward(array(np.array([[[[1, np.nan, 5, np.nan]]]], "f")))
    assert np.isnan(y).all()
    assert place.item() == 1


def test_results_are_channels_last() -> None:
    problem = PoolingProblem((2, 3, 4, 4), Window((2, 2), (2, 2), (0, 0), (1, 1)), np.dtype("float32"))
    y, _ = MaxPooling.plan(HOST, problem).forward(array(np.zeros(problem.x, "f")))
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"dtype": np.dtype("int32")}, "not int32"),
        ({"x": (1, 1, 2, 2, 2, 2)}, "4 spatial axes; written for one to three"),
    ],
)
def test_what_it_does_not_accept_is_said(fields: dict[str, Any], reason: str) -> None:
    axes = len(fields.get("x", (1, 1, 2, 2))) - 2
    window = Window(*((number,) * axes for number in (2, 2, 0, 1)))
    problem = PoolingProblem((1, 1, 2, 2), window, np.dtype("float32"))._replace(**fields)
    explained = HOST.explain(MaxPooling, problem)
    assert explained.chosen.override.source == "portable"
    assert reason in str(explained)
