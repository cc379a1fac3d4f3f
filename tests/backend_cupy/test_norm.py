"""Batch normalization's kernels, compiled for the host, against formulas in float64 and the portable definition."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backend_cupy.host_cupy import array, host_backend
from tests.norm_formulas import formulas

from kusari.kernels.activation import RELU, TANH, Activation
from kusari.kernels.norm import Normalization, NormalizationProblem
from kusari_cupy.kernels import norm
from kusari_cupy.kernels.norm import CupyNormalization, lay_out, share_out, stages

HOST = host_backend()
EPS = 1e-3
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


@contextlib.contextmanager
def small_shares() -> Iterator[None]:
    """Cut even small arrays into many shares, whose results take several stages."""
    with pytest.MonkeyPatch.context() as patch:
        for name, number in {"SHARE": 2, "MERGED": 4, "STREAMED": 3, "WARP": 4}.items():
            patch.setattr(norm, name, number)
        yield


def made(
    shape: tuple[int, ...], axes: tuple[int, ...], dtype: str = "float32", activation: Activation | None = None
) -> tuple[NormalizationProblem, list[Any]]:
    """A problem, and numbers for x, γ, β and gy."""
    rng = np.random.default_rng(1)
    kept = [length for axis, length in enumerate(shape) if axis not in axes]
    shapes = (shape, kept, kept, shape)
    arrays = [array((rng.standard_normal(one) * 2 + 1).astype(dtype)) for one in shapes]
    problem = NormalizationProblem(shape, np.dtype(dtype), np.dtype(dtype), axes, EPS, activation=activation)
    return problem, arrays


def plan_of(problem: NormalizationProblem) -> Normalization:
    plan = Normalization.plan(HOST, problem)
    assert isinstance(plan, CupyNormalization)
    return plan


def check(problem: NormalizationProblem, x: Any, gamma: Any, beta: Any, gy: Any) -> list[Any]:
    """Run forward and backward, and compare them with the formulas and x's memory format."""
    plan = plan_of(problem)
    y, mean, var = plan.forward(x, gamma, beta)
    found = [y, mean, var, *plan.backward(x, gamma, mean, var, y, gy)]
    dtypes = [x.dtype, *[gamma.dtype] * 2, x.dtype, *[gamma.dtype] * 2]
    tolerance = TOLERANCE[x.dtype.name] * problem.members**0.5
    for ours, expected, dtype in zip(found, formulas(problem, x, gamma, beta, gy, y), dtypes, strict=True):
        assert ours.dtype == dtype
        assert ours.shape == expected.shape
        np.testing.assert_allclose(
            ours.astype("d"), expected, rtol=0, atol=tolerance * (1 + abs(expected).max(initial=0))
        )
    for ours, alone in zip((mean, var), plan.statistics(x), strict=True):
        np.testing.assert_array_equal(ours, alone)
    np.testing.assert_array_equal(plan.fixed(x, gamma, beta, mean, var), y)
    for result in (found[0], found[3]):
        assert steps(result) == steps(np.empty_like(x))  # which keeps the order of axes
    return found


def steps(a: Any) -> list[int]:
    """The strides that matter."""
    return [stride for stride, length in zip(a.strides, a.shape, strict=True) if length > 1]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_axes_and_memory_order(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=5)))
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), max_size=len(shape) - 1))))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    problem, arrays = made(shape, axes, dtype, data.draw(st.sampled_from([None, RELU, TANH])))
    order = data.draw(st.permutations(range(len(shape))))
    x, gamma, beta, gy = arrays
    x = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
    with small_shares():
        check(problem._replace(strides=x.strides), x, gamma, beta, gy)


@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray,
        lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=-1)[::2, ..., ::3],
        lambda a: np.ascontiguousarray(np.flip(a))[tuple(slice(None, None, -1) for _ in a.shape)],
    ],
)
def test_any_strides(view: Any) -> None:
    problem, arrays = made((3, 5, 4, 7), (0, 2, 3), activation=RELU)
    x, gamma, beta, gy = (view(a) if a.ndim > 1 else np.repeat(a, 2)[::2] for a in arrays)
    check(problem._replace(strides=x.strides), x, gamma, beta, gy)
    check(problem, x, gamma, beta, array(np.broadcast_to(np.float32(0.5), gy.shape)))


@pytest.mark.parametrize("channels_last", [False, True])
def test_whole_shares_in_three_stages(channels_last: bool) -> None:
    problem, (x, gamma, beta, gy) = made((9, 2, 33, 33), (0, 2, 3), activation=RELU)
    if channels_last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert len(list(stages(lay_out(x.shape, (1,), x.strides).lengths))) == 3
    check(problem, x, gamma, beta, gy)


@pytest.mark.parametrize("shape", [(7000, 3), (3, 2, 45, 51)])
def test_the_variance_of_what_is_far_from_0(shape: tuple[int, ...]) -> None:
    """3000 deviations away: the sum of squares minus the square of the sum has no digit left in float32."""
    x = array((np.random.default_rng(0).standard_normal(shape) + 3000).astype("f"))
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    mean, var = plan_of(NormalizationProblem(shape, x.dtype, x.dtype, axes, EPS)).statistics(x)
    np.testing.assert_allclose(mean, x.mean(axes, dtype="d"), rtol=1e-7)
    np.testing.assert_allclose(var, x.astype("d").var(axes), rtol=3e-5)


def test_a_first_number_that_is_far_from_all_others() -> None:
    x = array(np.random.default_rng(0).standard_normal((1000, 2)).astype("f"))
    x[0] = 1e4
    _, var = plan_of(NormalizationProblem(x.shape, x.dtype, x.dtype, (0,), EPS)).statistics(x)
    np.testing.assert_allclose(var, x.astype("d").var(0), rtol=1e-5)


def test_parameters_of_another_dtype_are_what_is_computed_in() -> None:
    problem, (x, gamma, beta, gy) = made((40, 3), (0,), activation=TANH)
    problem = problem._replace(parameter_dtype=np.dtype("d"))
    check(problem, x, array(gamma.astype("d")), array(beta.astype("d")), gy)


@pytest.mark.parametrize("values", [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [np.inf, np.nan]])
@pytest.mark.parametrize("first", [0, 3])
def test_special_values_are_the_definitions_and_stay_in_their_channel(values: list[float], first: int) -> None:
    problem, (x, gamma, beta, gy) = made((6, 4, 2, 3), (0, 2, 3), activation=RELU)
    x[first : first + len(values), 2, 0, 1] = values
    plan, portable = plan_of(problem), Normalization(HOST, problem)
    with np.errstate(invalid="ignore"), small_shares():
        found, expected = plan.forward(x, gamma, beta), portable.forward(x, gamma, beta)
        y, mean, var = found
        found += plan.backward(x, gamma, mean, var, y, gy)
        expected += portable.backward(x, gamma, mean, var, y, gy)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    for result in (y[:, [0, 1, 3]], mean[[0, 1, 3]], found[3][:, [0, 1, 3]], found[4][[0, 1, 3]]):
        assert np.isfinite(result).all()


def test_relu_and_its_gradient_pass_what_the_definitions_pass() -> None:
    problem, (x, gamma, beta, gy) = made((5, 3), (0,), activation=RELU)
    mean, var = array(np.zeros(3, "f")), array(np.ones(3, "f"))
    x[0], x[1], x[2] = np.nan, -np.inf, np.inf
    plan, portable = plan_of(problem), Normalization(HOST, problem)
    y = plan.fixed(x, gamma, beta, mean, var)
    np.testing.assert_allclose(y, portable.fixed(x, gamma, beta, mean, var), rtol=1e-6)
    assert np.isnan(y[0]).all()
    x[:] = 1.0
    gy[3] = np.nan
    given = x, gamma, mean, var, y, gy
    for ours, theirs in zip(plan.backward(*given), portable.backward(*given), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_each_way_is_three_launches_on_x_itself() -> None:
    launched: list[tuple[int, Any]] = []

    class Watched:
        def __init__(self, source: str, name: str) -> None:
            self.source = source

        def __call__(self, grid: Any, block: Any, arguments: Any) -> None:
            launched.append((grid[0] * block[0], arguments))

    problem, (x, gamma, beta, gy) = made((16, 4, 16, 16), (0, 2, 3), activation=RELU)
    x, gy = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for a in (x, gy))
    backend = host_backend()
    backend.cupy.RawKernel = Watched
    plan = Normalization.plan(backend, problem._replace(strides=x.strides))
    y, mean, var = plan.forward(x, gamma, beta)
    assert len(launched) == 3
    plan.backward(x, gamma, mean, var, y, gy)
    assert len(launched) == 6
    for place in (0, 2, 3, 5):
        assert np.shares_memory(launched[place][1][0], x)
    assert [threads for threads, _ in launched[:3]] == [4 * 64, 128, 4 * 256]


@given(st.integers(1, 2**20), st.integers(1, 2**19), st.integers(1, 2**16))
def test_stages_end_with_one_result_for_each_channel(before: int, channels: int, behind: int) -> None:
    found = list(stages((before, channels, behind)))
    assert found[-1] == (1, 1)
    assert math.prod(found[0]) * channels <= max(norm.MOST, channels * norm.WARP)
    assert math.prod(found[0]) <= max(norm.WARP, before * behind / norm.SHARE)
    for (rows, lanes), (fewer_rows, fewer_lanes) in zip([(before, behind), *found], found, strict=False):
        assert 1 <= fewer_rows <= rows
        assert 1 <= fewer_lanes <= lanes
    for (rows, lanes), (fewer_rows, fewer_lanes) in itertools.pairwise(found):
        assert rows * lanes <= norm.MERGED * fewer_rows * fewer_lanes


@given(st.integers(1, 2**20), st.integers(1, 2**12), st.integers(1, 2**12))
def test_streamed_shares_are_short(before: int, channels: int, behind: int) -> None:
    lengths = before, channels, behind
    rows, lanes = share_out(lengths, norm.STREAMED, math.prod(lengths))
    assert before * behind / (rows * lanes) <= 4 * norm.STREAMED


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dtype": np.dtype("int32")}, "not int32"),
        ({"parameter_dtype": np.dtype("float16")}, "parameters of float16"),
        ({"axes": (1,), "parameter_axes": (1,)}, "layer and group normalization"),
        ({"axes": (0, 1)}, "no channels to share out"),
        ({"x": (0, 3)}, "nothing to compute"),
    ],
)
def test_what_it_does_not_accept_is_said(fields: dict[str, Any], words: str) -> None:
    problem = NormalizationProblem((4, 3), np.dtype("f"), np.dtype("f"), (0,), EPS)._replace(**fields)
    explained = HOST.explain(Normalization, problem)
    assert explained.chosen.override.source == "portable"
    assert words in str(explained)
