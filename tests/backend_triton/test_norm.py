"""Batch normalization through the interpreter: against formulas in float64, and the portable definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.norm_formulas import formulas

from kusari import functions as F
from kusari.autograd import Variable
from kusari.backend import Backend, get_backend, use_backend
from kusari.dtypes import host_dtype
from kusari.kernels.activation import RELU, TANH, Activation
from kusari.kernels.norm import Normalization, NormalizationProblem

Array = np.ndarray[Any, Any]
EPS = 1e-3

# Relative to the largest number: float32 sums, and one rounding of the result.
TOLERANCE = {"float32": 2e-5, "float16": 2e-3, "bfloat16": 1.6e-2}


def made(
    shape: tuple[int, ...], axes: tuple[int, ...], dtype: str = "float32", activation: Activation | None = None
) -> tuple[NormalizationProblem, Array, Array, Array, Array]:
    """A problem, and numbers for x, γ, β and gy."""
    rng = np.random.default_rng(1)
    x, gy = ((rng.standard_normal(shape) * 2 + 1).astype(host_dtype(dtype)) for _ in "xy")
    kept = tuple(shape[axis] for axis in range(len(shape)) if axis not in axes)
    gamma, beta = (rng.standard_normal(kept).astype("f") for _ in "gb")
    problem = NormalizationProblem(shape, x.dtype, gamma.dtype, axes, EPS, x.strides, None, activation)
    return problem, x, gamma, beta, gy


def plan_of(backend: Backend, problem: NormalizationProblem) -> Any:
    plan = Normalization.plan(backend, problem)
    assert type(plan).__name__ == "TritonNormalization"
    return plan


def check(
    backend: Backend, problem: NormalizationProblem, x: Array, gamma: Array, beta: Array, gy: Array
) -> list[Array]:
    """Run forward and backward, insist that they are Triton's, and compare them with the formulas."""
    plan = plan_of(backend, problem)
    y, mean, var = plan.forward(x, gamma, beta)
    found = [y, mean, var, *plan.backward(x, gamma, mean, var, y, gy)]
    dtypes = [x.dtype, *[gamma.dtype] * 2, x.dtype, *[gamma.dtype] * 2]
    scale = problem.members**0.5
    for ours, expected, dtype in zip(found, formulas(problem, x, gamma, beta, gy, y), dtypes, strict=True):
        assert ours.dtype == dtype
        assert ours.shape == expected.shape
        tolerance = TOLERANCE[dtype.name if problem.activation is not TANH else problem.dtype.name]
        np.testing.assert_allclose(
            ours.astype("d"), expected, rtol=0, atol=tolerance * scale * (1 + abs(expected).max())
        )
    return found


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    ("shape", "axes", "activation"),
    [
        ((3, 5, 4, 7), (0, 2, 3), RELU),
        ((1, 1), (0,), None),
        ((7, 3), (0,), TANH),
        ((2, 1, 5), (0, 2), RELU),
        ((1, 70, 2, 3), (0, 2, 3), None),  # two blocks of channels
        ((290, 66), (0,), RELU),  # two splits of the members, too
        ((5, 2, 3), (0,), RELU),  # channels on two axes
        ((4, 2, 3, 2), (0, 3), None),  # between two others
        ((2, 3, 2, 4), (1, 3), RELU),  # that do not lie together
        ((6, 5), (1,), None),
    ],
)
def test_against_formulas(
    backend: Backend, shape: tuple[int, ...], axes: tuple[int, ...], activation: Activation | None, dtype: str
) -> None:
    check(backend, *made(shape, axes, dtype, activation))


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_any_axes_and_memory_order(backend: Backend, data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape) - 1))))
    problem, x, gamma, beta, gy = made(shape, axes, activation=data.draw(st.sampled_from([None, RELU])))
    order = data.draw(st.permutations(range(len(shape))))
    x = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
    y, *_, gx, _, _ = check(backend, problem._replace(strides=x.strides), x, gamma, beta, gy)
    for result in (y, gx):  # dense, in whatever order
        steps = sorted((stride, length) for stride, length in zip(result.strides, shape, strict=True) if length > 1)
        assert all(stride == np.prod([n for _, n in steps[:at]]) * 4 for at, (stride, _) in enumerate(steps))


def test_results_keep_the_memory_format(backend: Backend) -> None:
    problem, x, gamma, beta, gy = made((3, 5, 4, 7), (0, 2, 3), activation=RELU)
    first = check(backend, problem, x, gamma, beta, gy)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    second = check(backend, problem._replace(strides=last.strides), last, gamma, beta, gy)
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    assert {result.strides for result in (first[0], first[3])} == {x.strides}
    assert {result.strides for result in (second[0], second[3])} == {last.strides}


def test_any_strides(backend: Backend) -> None:
    problem, x, gamma, beta, gy = made((3, 5, 4, 7), (0, 2, 3), activation=RELU)
    expected = check(backend, problem, x, gamma, beta, gy)
    views: tuple[Any, ...] = (
        np.asfortranarray,
        lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=-1)[::2, ..., ::3],
        lambda a: np.ascontiguousarray(np.flip(a))[tuple(slice(None, None, -1) for _ in a.shape)],
    )
    for view in views:
        arrays = [view(a) if a.ndim > 1 else np.repeat(a, 2)[::2] for a in (x, gamma, beta, gy)]
        given = problem._replace(strides=arrays[0].strides)
        for ours, theirs in zip(check(backend, given, *arrays), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    constant = np.broadcast_to(np.float32(0.5), gy.shape)
    check(backend, problem, x, gamma, beta, constant)


def test_the_variance_of_what_is_far_from_0(backend: Backend) -> None:
    """3000 deviations away: the sum of squares minus the square of the sum has no digit left in float32."""
    rng = np.random.default_rng(0)
    for shape in ((700, 3), (3, 2, 15, 17)):
        x = (rng.standard_normal(shape) + 3000).astype("f")
        axes = tuple(axis for axis in range(x.ndim) if axis != 1)
        problem = NormalizationProblem(shape, x.dtype, x.dtype, axes, EPS, x.strides)
        mean, var = plan_of(backend, problem).statistics(x)
        np.testing.assert_allclose(mean, x.mean(axes, dtype="d"), rtol=3e-7)
        np.testing.assert_allclose(var, x.astype("d").var(axes), rtol=1e-4)


def test_splits_are_combined_in_one_order(backend: Backend) -> None:
    problem, x, gamma, beta, gy = made((3, 2, 20, 19), (0, 2, 3), activation=RELU)
    plan = plan_of(backend, problem)
    assert plan.cut.splits > 1
    assert plan.cut.members % plan.cut.share
    first = check(backend, problem, x, gamma, beta, gy)
    for ours, theirs in zip(check(backend, problem, x, gamma, beta, gy), first, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(before=st.integers(1, 2**20), channels=st.integers(1, 5000), behind=st.integers(1, 2000))
def test_every_member_is_in_one_split(before: int, channels: int, behind: int) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    from kusari_triton.kernels import norm

    for interpreted in (False, True):
        cut = norm.cut((before, channels, behind), interpreted=interpreted)
        assert cut.members == before * behind
        assert (cut.splits - 1) * cut.share < cut.members <= cut.splits * cut.share
        assert cut.share % cut.block_m == 0
        assert cut.splits <= norm.MOST_SPLITS
        assert interpreted or cut.block_m * cut.block_c <= norm.TILE


def test_what_is_not_a_number_stays_in_its_channel(backend: Backend) -> None:
    problem, x, gamma, beta, gy = made((3, 4, 2, 3), (0, 2, 3), activation=RELU)
    x[1, 2, 0, 1], x[0, 1, 1, 1] = np.nan, np.inf
    plan = plan_of(backend, problem)
    y, mean, var = plan.forward(x, gamma, beta)
    gx, ggamma, gbeta = plan.backward(x, gamma, mean, var, y, gy)
    assert np.isnan(y[:, 2]).all()
    assert np.isnan(var[[1, 2]]).all()
    for result in (y[:, [0, 3]], gx[:, [0, 3]], mean[[0, 3]], ggamma[[0, 3]], gbeta):
        assert np.isfinite(result).all()


def test_through_the_function_with_gradients(backend: Backend) -> None:
    _, x, gamma, beta, gy = made((3, 5, 4, 7), (0, 2, 3))
    found = []
    for each in (backend, get_backend("numpy")):
        running = [np.zeros(5, "f"), np.ones(5, "f")]
        with use_backend(each.name):
            inputs = [Variable(a) for a in (x, gamma, beta)]
            y = F.batch_normalization(*inputs, running_mean=running[0], running_var=running[1], activation=F.relu)
            y.grad = gy
            y.backward()
        found.append([y.array, *running, *(v.grad for v in inputs)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    ("shape", "axes", "change", "words"),
    [
        ((4, 3), (0,), {"dtype": np.dtype("d"), "parameter_dtype": np.dtype("d")}, "float64 stays with the base"),
        ((4, 3), (0,), {"parameter_dtype": np.dtype("d")}, "parameters of float64"),
        ((4, 3), (0,), {"dtype": np.dtype(">f4")}, "byte order"),
        ((4, 3), (1,), {"parameter_axes": (1,)}, "layer and group normalization"),
        ((4, 3), (0, 1), {}, "no channels to share out"),
        ((0, 3), (0,), {}, "an empty batch"),
        ((2**16, 2**15), (0,), {}, "nearly 2³¹"),
    ],
)
def test_what_it_does_not_take_it_gives_a_reason_for(
    backend: Backend, shape: tuple[int, ...], axes: tuple[int, ...], change: dict[str, Any], words: str
) -> None:
    problem = NormalizationProblem(shape, np.dtype("f"), np.dtype("f"), axes, EPS)._replace(**change)
    explanation = backend.explain(Normalization, problem)
    assert explanation.chosen.override.source != "triton-interpret"
    assert words in str(explanation.verdicts[0].reason)


def test_an_empty_batch_goes_to_the_base(backend: Backend) -> None:
    with use_backend(backend.name):
        y = F.batch_normalization(np.zeros((0, 3, 2, 2), "f"), np.ones(3, "f"), np.zeros(3, "f"))
    assert y.shape == (0, 3, 2, 2)
