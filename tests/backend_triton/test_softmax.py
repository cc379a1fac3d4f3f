"""Softmax and cross entropy through the interpreter: against SciPy, formulas in float64 and the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from kusari import functions as F
from kusari.autograd import Variable
from kusari.backend import Backend, get_backend, use_backend
from kusari.dtypes import host_dtype
from kusari.kernels import softmax
from kusari.kernels.softmax import SoftmaxCrossEntropy, SoftmaxCrossEntropyProblem

Array = np.ndarray[Any, Any]
kernels: Any = softmax

# Relative to the largest number: float32 inside, and one rounding of what comes in and goes out.
TOLERANCE = {"float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}
SHAPES = [((5, 4), 1), ((2, 130, 3, 2), 1), ((70, 3), 0), ((2, 3, 4), 2), ((7,), 0), ((1, 1), 1), ((3, 1), 1)]


def normal(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> Array:
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(host_dtype(dtype))


def close(ours: Array, expected: Array, dtype: str) -> None:
    assert ours.dtype == host_dtype(dtype)
    assert ours.shape == expected.shape
    tolerance = TOLERANCE[dtype] * (1 + np.abs(expected).max())
    np.testing.assert_allclose(ours.astype("d"), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_softmax_against_scipy(backend: Backend, shape: tuple[int, ...], axis: int, dtype: str) -> None:
    x, gy = normal(shape, dtype), normal(shape, dtype, 1)
    wide, g = x.astype("d"), gy.astype("d")
    close(kernels.softmax(backend, x, axis), scipy.special.softmax(wide, axis), dtype)
    close(kernels.log_softmax(backend, x, axis - len(shape)), scipy.special.log_softmax(wide, axis), dtype)
    y = scipy.special.softmax(wide, axis).astype(x.dtype)
    p = y.astype("d")
    expected = p * (g - np.sum(g * p, axis, keepdims=True))
    close(kernels.softmax_grad(backend, y, gy, axis), expected, dtype)
    y = scipy.special.log_softmax(wide, axis).astype(x.dtype)
    expected = g - np.exp(y.astype("d")) * np.sum(g, axis, keepdims=True)
    close(kernels.log_softmax_grad(backend, y, gy, axis), expected, dtype)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_softmax_of_any_memory_order(backend: Backend, data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    axis = data.draw(st.integers(0, len(shape) - 1))
    order = data.draw(st.permutations(range(len(shape))))
    x = np.ascontiguousarray(normal(shape).transpose(order)).transpose(np.argsort(order))
    gy = np.repeat(normal(shape, seed=1), 2, axis=-1)[..., ::2]
    y = kernels.softmax(backend, x, axis)
    close(y, scipy.special.softmax(x.astype("d"), axis), "float32")
    gx = kernels.softmax_grad(backend, y, gy, axis)
    close(gx, y * (gy - np.sum(gy * y, axis, keepdims=True, dtype="d")), "float32")
    for result in (y, gx):  # dense, in whatever order
        steps = sorted((stride, length) for stride, length in zip(result.strides, shape, strict=True) if length > 1)
        assert all(stride == np.prod([n for _, n in steps[:at]]) * 4 for at, (stride, _) in enumerate(steps))


def test_results_keep_the_memory_format(backend: Backend) -> None:
    x = normal((2, 4, 3, 5)).transpose(0, 3, 1, 2)
    for result in (kernels.softmax(backend, x, 1), kernels.log_softmax_grad(backend, x, x, 1)):
        assert result.strides == x.strides


def test_extremes(backend: Backend) -> None:
    """Nothing overflows; what is no number stays in its row; a row may start with more −∞ than a program holds."""
    x = np.zeros((5, 200), "f")
    x[0, :3] = 1000, 999, -1000
    x[1, 7] = np.nan
    x[2, 150] = np.inf
    x[3, :170] = -np.inf
    x[4] = -np.inf
    y, log = kernels.softmax(backend, x, 1), kernels.log_softmax(backend, x, 1)
    assert np.isnan(y[[1, 2, 4]]).any(axis=1).all()
    assert np.isnan(log[[1, 4]]).all()
    with np.errstate(divide="ignore"):
        close(y[[0, 3]], scipy.special.softmax(x[[0, 3]].astype("d"), 1), "float32")
    np.testing.assert_allclose(log[3, 170:], -np.log(30), rtol=1e-6)
    assert np.isneginf(log[3, :170]).all()


def test_float64_and_nothing_are_left_to_the_base(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="kusari_triton"):
        y = kernels.softmax(backend, normal((3, 4)).astype("d"), 1)
        empty = kernels.log_softmax(backend, np.zeros((0, 4), "f"), 1)
        gx = kernels.softmax_grad(backend, y, y, 1)
    assert y.dtype == gx.dtype == np.float64
    assert empty.shape == (0, 4)
    assert "softmax of (3, 4) is the base's: float64 stays with the base" in caplog.text
    assert "log_softmax of (0, 4) is the base's: nothing to compute" in caplog.text
    np.testing.assert_allclose(y, scipy.special.softmax(normal((3, 4)).astype("d"), 1), rtol=1e-12)


# Cross entropy. -----------------------------------------------------------------------------------------------------


def formulas(
    problem: SoftmaxCrossEntropyProblem, x: Array, t: Array, weight: Array | None, gloss: Array
) -> tuple[Array, Array]:
    """The loss and the gradient of x in float64, label by label."""
    x, loss, gx = x.astype("d"), np.zeros(t.shape), np.zeros(x.shape)
    count = max(1, int(np.sum(t != problem.ignore_label))) if problem.normalize else len(x)
    for index in np.ndindex(t.shape):
        label, at = t[index], (index[0], slice(None), *index[1:])
        if label == problem.ignore_label:
            continue
        factor = 1.0 if weight is None else float(weight[label])
        loss[index] = factor * (scipy.special.logsumexp(x[at]) - x[at][label])
        share = float(gloss) / count if problem.reduce == "mean" else float(gloss[index])
        gx[at] = factor * share * (scipy.special.softmax(x[at]) - np.eye(x.shape[1])[label])
    return np.asarray(loss.sum() / count) if problem.reduce == "mean" else loss, gx


def plan_of(backend: Backend, problem: SoftmaxCrossEntropyProblem) -> Any:
    plan = SoftmaxCrossEntropy.plan(backend, problem)
    assert type(plan).__name__ == "TritonSoftmaxCrossEntropy"
    return plan


def check(
    backend: Backend, problem: SoftmaxCrossEntropyProblem, x: Array, t: Array, weight: Array | None, gloss: Array
) -> tuple[Array, Array]:
    """Run forward and the gradient, insist that they are Triton's, and compare them with the formulas."""
    plan = plan_of(backend, problem)
    loss, kept = plan.forward(x, t, weight)
    gx = plan.grad_input(kept, gloss)
    for ours, expected in zip((loss, gx), formulas(problem, x, t, weight, gloss), strict=True):
        close(ours, expected, problem.dtype.name)
    _, label, scale = kept
    _, theirs, their_scale = SoftmaxCrossEntropy(get_backend("numpy"), problem).forward(x, t, weight)[1]
    np.testing.assert_array_equal(label, theirs)
    assert scale.dtype == x.dtype
    np.testing.assert_allclose(scale.astype("d"), np.asarray(their_scale).astype("d"), rtol=1e-2)
    return loss, gx


def made(
    x: tuple[int, ...], dtype: str = "float32", **options: Any
) -> tuple[SoftmaxCrossEntropyProblem, Array, Array, Array | None, Array]:
    """A problem, scores, labels of which some do not count, weights and the loss's gradient."""
    problem = SoftmaxCrossEntropyProblem(x, host_dtype(dtype), **options)
    rng = np.random.default_rng(0)
    shape = (x[0], *x[2:])
    t = np.where(rng.random(shape) < 0.3, problem.ignore_label, rng.integers(0, x[1], shape)).astype(np.int32)
    weight = rng.uniform(0.5, 2, x[1]).astype(problem.dtype) if problem.weighted else None
    gloss = rng.standard_normal(() if problem.reduce == "mean" else shape)
    return problem, normal(x, dtype), t, weight, np.asarray(gloss).astype(problem.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    ("x", "options"),
    [
        ((5, 4), {}),
        ((2, 3, 4, 3), {"weighted": True}),
        ((70, 130), {"normalize": False}),  # blocks of rows and of classes
        ((2, 3, 5), {"reduce": "no", "weighted": True, "ignore_label": 1}),
        ((4, 1), {"normalize": False, "reduce": "no"}),
        ((1, 6), {"ignore_label": -100}),
    ],
)
def test_cross_entropy_against_formulas(
    backend: Backend, x: tuple[int, ...], options: dict[str, Any], dtype: str
) -> None:
    check(backend, *made(x, dtype, **options))


@pytest.mark.parametrize("reduce", ["mean", "no"])
def test_cross_entropy_of_any_strides(backend: Backend, reduce: str) -> None:
    problem, x, t, weight, gloss = made((3, 4, 5, 2), weighted=True, reduce=reduce)
    expected = check(backend, problem, x, t, weight, gloss)
    assert weight is not None
    views: tuple[Any, ...] = (
        lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if a.ndim == 4 else a,
        lambda a: np.asfortranarray(a) if a.ndim else a,
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    )
    for view in views:
        found = check(backend, problem, *(view(a) for a in (x, t, weight, gloss)))
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_rows_that_do_not_count_may_hold_anything(backend: Backend) -> None:
    problem, x, t, _, gloss = made((6, 5))
    t[:] = [0, -1, 2, -1, 4, 1]
    expected = check(backend, problem, x, t, None, gloss)
    x[1], x[3, 2] = np.nan, np.inf
    plan = plan_of(backend, problem)
    loss, kept = plan.forward(x, t, None)
    np.testing.assert_array_equal(loss, expected[0])
    np.testing.assert_array_equal(plan.grad_input(kept, gloss), expected[1])
    t[:] = -1
    loss, kept = plan.forward(x, t, None)
    assert loss == 0
    assert not plan.grad_input(kept, gloss).any()


def test_a_label_out_of_range_makes_no_number_and_reads_nothing(backend: Backend) -> None:
    for label in (5, -2, 2**40):
        problem, x, t, _, _ = made((3, 5), reduce="no")
        t = t.astype(np.int64)
        t[:] = [0, label, 1]
        loss, _ = plan_of(backend, problem).forward(x, t, None)
        assert np.isnan(loss).tolist() == [False, True, False]


def test_many_blocks_are_added_in_one_order(backend: Backend) -> None:
    problem, x, t, _, gloss = made((150, 3))
    first = check(backend, problem, x, t, None, gloss)
    for ours, theirs in zip(check(backend, problem, x, t, None, gloss), first, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(
    before=st.integers(1, 2**20), classes=st.integers(1, 10**6), behind=st.integers(1, 5000), interpreted=st.booleans()
)
def test_a_program_holds_little(before: int, classes: int, behind: int, interpreted: bool) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    from kusari_triton.kernels.softmax import LONGEST, choose_blocks

    blocks = choose_blocks((before, classes, behind), interpreted=interpreted)
    assert blocks.rows * blocks.classes <= (4096 if interpreted else LONGEST)
    assert all(side & (side - 1) == 0 for side in blocks)


def test_through_the_functions_with_second_derivatives(backend: Backend) -> None:
    _, x, t, weight, _ = made((4, 3, 2), weighted=True)
    found = []
    for each in (backend, get_backend("numpy")):
        with use_backend(each.name):
            scores = Variable(x)
            loss = F.softmax_cross_entropy(scores, t, class_weight=weight)
            loss.backward(enable_double_backprop=True)
            first = scores.grad_var
            assert first is not None
            scores.cleargrad()
            F.sum(first * first).backward()
            found.append([loss.array, first.array, scores.grad])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("x", "dtype", "words"),
    [((3, 4), "float64", "float64 stays with the base"), ((0, 4), "float32", "nothing to compute"),
     ((2**16, 2**15), "float32", "nearly 2³¹")],
)  # fmt: skip
def test_what_it_does_not_take_it_gives_a_reason_for(
    backend: Backend, x: tuple[int, ...], dtype: str, words: str
) -> None:
    explanation = backend.explain(SoftmaxCrossEntropy, SoftmaxCrossEntropyProblem(x, np.dtype(dtype)))
    assert explanation.chosen.override.source != "triton-interpret"
    assert words in str(explanation.verdicts[0].reason)
