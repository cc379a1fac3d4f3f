"""Softmax cross entropy by rows against a formula in double, and finite differences of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from tests.backend_numpy.arrays import images

from kusari.backend import get_backend
from kusari.kernels.softmax import SoftmaxCrossEntropy, SoftmaxCrossEntropyProblem
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.kernels.softmax import Exponentials, RowsSoftmaxCrossEntropy, SmallSoftmaxCrossEntropy
from kusari_numpy.threads import get_num_threads, set_num_threads


def oracle(x: Any, t: Any, weight: Any, p: SoftmaxCrossEntropyProblem) -> Any:
    """Label by label."""
    loss, log_p = np.zeros(t.shape), log_softmax(np.nan_to_num(x.astype("d")), axis=1)
    for n, *place in np.ndindex(*t.shape):
        label = t[(n, *place)]
        if label != p.ignore_label:
            loss[(n, *place)] = -log_p[(n, label, *place)] * (1 if weight is None else weight[label])
    if p.reduce == "no":
        return loss
    return loss.sum() / max(np.sum(t != p.ignore_label) if p.normalize else len(x), 1)


@st.composite
def problems(draw: Any) -> tuple[Any, Any, Any, SoftmaxCrossEntropyProblem]:
    x = draw(images(draw(st.integers(0, 2))))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    t = rng.integers(-1, x.shape[1], (len(x), *x.shape[2:])).astype(draw(st.sampled_from("ilb")))
    weight = rng.random(x.shape[1]) if draw(st.booleans()) else None
    reduce = draw(st.sampled_from(["mean", "no"]))
    return (
        x,
        t,
        weight,
        SoftmaxCrossEntropyProblem(x.shape, x.dtype, -1, draw(st.booleans()), reduce, weight is not None),
    )


@settings(max_examples=80, deadline=None)
@given(drawn=problems())
def test_loss_and_gradient(drawn: Any) -> None:
    x, t, weight, p = drawn
    plan = RowsSoftmaxCrossEntropy(get_backend("numpy"), p)
    loss, kept = plan.forward(x, t, weight)
    np.testing.assert_allclose(loss, oracle(x, t, weight, p), rtol=0, atol=1e-13)
    gloss = np.asarray(np.random.default_rng(0).standard_normal(np.shape(loss)))
    gx = plan.grad_input(kept, gloss)
    assert gx.shape == x.shape
    move, step = np.cos(9 * x), 1e-5
    slope = (oracle(x + step * move, t, weight, p) - oracle(x - step * move, t, weight, p)) / (2 * step)
    assert float(np.sum(gx * move)) == pytest.approx(np.sum(slope * gloss), rel=1e-6, abs=1e-8)
    np.testing.assert_array_equal(plan.grad_input(kept, gloss), gx)  # what was kept is still whole
    if np.moveaxis(x, 1, -1).flags.c_contiguous:
        assert isinstance(kept[0], Exponentials)
        assert np.moveaxis(gx, 1, -1).flags.c_contiguous


compiled = pytest.mark.skipif(compiled_available(get_backend("numpy")) is not True, reason="needs numba, threadpoolctl")


@compiled
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (7, 10), (100, 3)])
def test_few_numbers_in_one_call(shape: tuple[int, int], normalize: bool, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, t = 5 * rng.standard_normal(shape).astype(dtype), rng.integers(-1, shape[1], shape[0])
    p = SoftmaxCrossEntropyProblem(x.shape, x.dtype, normalize=normalize)
    plan = SoftmaxCrossEntropy.plan(get_backend("numpy"), p)
    assert isinstance(plan, SmallSoftmaxCrossEntropy)
    loss, kept = plan.forward(x, t, None)
    tolerance = 1e-6 if dtype == "f" else 1e-14
    np.testing.assert_allclose(loss, oracle(x, t, None, p), rtol=tolerance, atol=tolerance)
    gloss, expected = np.asarray(-1.5, dtype), softmax(x.astype("d"), axis=1)
    expected[np.arange(len(t)), t] -= 1
    expected *= ((t >= 0) * -1.5 / max(np.sum(t >= 0) if normalize else len(t), 1))[:, None]
    np.testing.assert_allclose(plan.grad_input(kept, gloss), expected, rtol=0, atol=tolerance)
    with pytest.raises(IndexError, match="outside the classes"):
        plan.forward(x, np.full(shape[0], shape[1]), None)


@pytest.mark.parametrize("way", [RowsSoftmaxCrossEntropy, pytest.param(SmallSoftmaxCrossEntropy, marks=compiled)])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_do_not_count_may_hold_anything(bad: float, way: type[SoftmaxCrossEntropy]) -> None:
    x = np.random.default_rng(0).standard_normal((4, 5)).astype("f")
    x[1, 2], x[2, 3] = bad, bad
    t = np.asarray([0, -1, -1, 4])
    p = SoftmaxCrossEntropyProblem(x.shape, x.dtype)
    plan: Any = way(get_backend("numpy"), p)
    loss, kept = plan.forward(x, t, None)
    np.testing.assert_allclose(loss, oracle(x[[0, 3]], t[[0, 3]], None, p), rtol=1e-6)
    gx = plan.grad_input(kept, np.float32(1))
    assert not gx[1:3].any()
    assert np.isfinite(gx).all()
    loss, kept = plan.forward(x, np.asarray([0, 1, -1, 4]), None)
    assert np.isnan(loss)
    assert np.isnan(plan.grad_input(kept, np.float32(1))[1]).all()


def test_scores_far_apart_overflow_nowhere() -> None:
    x = np.asarray([[1e4, -1e4, 0], [-np.inf, 0, 0]], "f")
    p = SoftmaxCrossEntropyProblem(x.shape, x.dtype, reduce="no")
    plan = RowsSoftmaxCrossEntropy(get_backend("numpy"), p)
    loss, kept = plan.forward(x, np.asarray([1, 2]), None)
    np.testing.assert_allclose(loss, [2e4, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(plan.grad_input(kept, np.ones(2, "f")), [[1, -1, 0], [0, 0.5, -0.5]], atol=1e-7)


def test_many_rows_give_the_same_whatever_the_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((700, 801)).astype("f"), rng.integers(-1, 801, 700)
    backend, p, before, results = (
        get_backend("numpy"),
        SoftmaxCrossEntropyProblem(x.shape, x.dtype),
        get_num_threads(),
        [],
    )
    plan = SoftmaxCrossEntropy.plan(backend, p)
    assert isinstance(plan, RowsSoftmaxCrossEntropy)
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            loss, kept = plan.forward(x, t, None)
            results.append((loss, plan.grad_input(kept, np.float32(1))))  # type: ignore[arg-type]
    finally:
        set_num_threads(before)
    for loss, gx in results[1:]:
        assert loss == results[0][0]
        np.testing.assert_array_equal(gx, results[0][1])
    portable, kept = SoftmaxCrossEntropy(backend, p).forward(x, t, None)  # type: ignore[arg-type]
    assert float(results[0][0]) == pytest.approx(float(portable), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "reason"), [({"dtype": np.dtype("float16")}, "float16 keeps"), ({"x": (0, 3)}, "nothing to compute")]
)
def test_what_it_does_not_take_goes_to_the_portable_definition(change: dict[str, Any], reason: str) -> None:
    p = SoftmaxCrossEntropyProblem((2, 3), np.dtype("f"))._replace(**change)
    explanation = get_backend("numpy").explain(SoftmaxCrossEntropy, p)
    assert explanation.chosen.override.source == "portable"
    assert reason in str(explanation)
