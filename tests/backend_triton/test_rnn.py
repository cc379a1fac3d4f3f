"""A step of an LSTM through the interpreter: against formulas in float64, finite differences and the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from kusari import functions as F
from kusari.autograd import Variable
from kusari.backend import Backend, get_backend, use_backend
from kusari.dtypes import host_dtype
from kusari.kernels.rnn import LSTM, LSTMProblem

Array = np.ndarray[Any, Any]

# Of numbers of size 1: float32 inside, and one rounding of what comes in and goes out.
TOLERANCE = {"float32": 2e-6, "float16": 4e-3, "bfloat16": 3e-2}
SHAPES = [
    ((3, 2), 3),
    ((5, 7), 2),
    ((1, 1), 1),
    ((3, 1), 2),
    ((2, 3, 4, 3), 2),
    ((3, 1, 2, 2), 2),
    ((1, 5, 1, 3), 1),
    ((70, 65), 69),  # several programs
]


def formulas(c_prev: Array, x: Array) -> tuple[Array, Array]:
    """c and y in float64."""
    c_prev, x = c_prev.astype("d"), x.astype("d")
    n = len(x)
    a, i, f, o = (x[:, gate::4] for gate in range(4))
    c = np.concatenate([expit(i) * np.tanh(a) + expit(f) * c_prev[:n], c_prev[n:]])
    return c, expit(o) * np.tanh(c[:n])


def gradients(c_prev: Array, x: Array, gc: Array, gy: Array) -> tuple[Array, Array]:
    """The gradients of c′ and x in float64."""
    c, _ = formulas(c_prev, x)
    c_prev, x, gc, gy = (array.astype("d") for array in (c_prev, x, gc, gy))
    n, gx = len(x), np.zeros(x.shape)
    a, i, f, o = np.tanh(x[:, 0::4]), *(expit(x[:, gate::4]) for gate in (1, 2, 3))
    total = gc[:n] + gy * o / np.cosh(c[:n]) ** 2
    gx[:, 0::4], gx[:, 1::4] = total * i / np.cosh(x[:, 0::4]) ** 2, total * a * i * (1 - i)
    gx[:, 2::4], gx[:, 3::4] = total * c_prev[:n] * f * (1 - f), gy * np.tanh(c[:n]) * o * (1 - o)
    return np.concatenate([total * f, gc[n:]]), gx


def plan_of(backend: Backend, c: tuple[int, ...], x: tuple[int, ...], dtype: Any) -> Any:
    plan = LSTM.plan(backend, LSTMProblem(c, x, dtype, recording=True))
    assert type(plan).__name__ == "TritonLSTM"
    return plan


def made(shape: tuple[int, ...], n: int, dtype: str = "float32") -> list[Array]:
    """c′, x, and gradients of c and y."""
    rng = np.random.default_rng(0)
    live = (n, *shape[1:])
    shapes = (shape, (n, 4 * shape[1], *shape[2:]), shape, live)
    return [rng.standard_normal(each).astype(host_dtype(dtype)) for each in shapes]


def check(backend: Backend, c_prev: Array, x: Array, gc: Array, gy: Array) -> list[Array]:
    """Run forward and the three backwards, insist that they are Triton's, and compare them with the formulas."""
    plan = plan_of(backend, c_prev.shape, x.shape, x.dtype)
    c, y, kept = plan.forward(c_prev, x)
    found, expected = [c, y], [*formulas(c_prev, x)]
    for with_gc, with_gy in ((True, True), (True, False), (False, True)):
        found += plan.backward(kept, c_prev, x, gc if with_gc else None, gy if with_gy else None)
        expected += gradients(c_prev, x, gc * with_gc, gy * with_gy)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == x.dtype
        assert ours.shape == theirs.shape
        assert np.all(np.abs(ours.astype("d") - theirs) <= TOLERANCE[x.dtype.name] * (1 + np.abs(theirs)))
    return found


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("shape", "n"), SHAPES)
def test_against_formulas(backend: Backend, shape: tuple[int, ...], n: int, dtype: str) -> None:
    check(backend, *made(shape, n, dtype))


def test_any_strides(backend: Backend) -> None:
    arrays = made((3, 4, 2, 5), 2)
    expected = check(backend, *arrays)
    for view in (
        lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1),
        np.asfortranarray,
        lambda a: np.repeat(np.repeat(a, 2, axis=1), 3, axis=0)[::3, ::2],
        lambda a: np.ascontiguousarray(np.flip(a))[::-1, ::-1, ::-1, ::-1],
    ):
        for ours, theirs in zip(check(backend, *map(view, arrays)), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    c, x, gc, gy = arrays
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(c, 1, -1)), -1, 1)
    check(backend, last, x, gc, np.broadcast_to(np.float32(1), gy.shape))  # each in an order of its own
    plan = plan_of(backend, c.shape, x.shape, x.dtype)
    assert plan.forward(last, x)[0].strides == last.strides


def test_gradients_against_finite_differences(backend: Backend) -> None:
    c, x, gc, gy = made((3, 2), 2)
    plan, step = plan_of(backend, c.shape, x.shape, x.dtype), 1e-5
    found = plan.backward(None, c, x, gc, gy)
    for place, gradient in enumerate(found):
        direction = np.random.default_rng(place).standard_normal(gradient.shape)
        ends = []
        for sign in (1, -1):
            moved = [c.astype("d"), x.astype("d")]
            moved[place] += sign * step * direction
            ends.append(sum(np.sum(g * made) for g, made in zip((gc, gy), formulas(*moved), strict=True)))
        assert np.sum(gradient * direction) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4)


def test_gates_that_are_wide_open_or_shut(backend: Backend) -> None:
    """Nothing overflows, and what is no number stays with its unit."""
    c, x = np.ones((2, 3), "f"), np.zeros((2, 12), "f")
    x[0, :4] = [1e4, 1e4, -1e4, 1e4]
    x[1, 5] = np.nan
    out, y, _ = plan_of(backend, c.shape, x.shape, x.dtype).forward(c, x)
    assert out[0, 0] == 1
    assert y[0, 0] == pytest.approx(np.tanh(1), rel=1e-6)
    assert np.isnan(out).tolist() == np.isnan(y).tolist() == [[False] * 3, [False, True, False]]


def test_through_the_function_with_gradients(backend: Backend) -> None:
    c, x, gc, gy = made((4, 3), 2)
    found = []
    for each in (backend, get_backend("numpy")):
        with use_backend(each.name):
            inputs = [Variable(c), Variable(x)]
            out = F.lstm(*inputs)
            (F.sum(out[0] * gc) + F.sum(out[1] * gy)).backward()
            found.append([*(v.array for v in out), *(v.grad for v in inputs)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("c", "n", "dtype", "words"),
    [
        ((3, 4), 2, "float64", "float64 stays with the base"),
        ((3, 4), 0, "float32", "none that are fed"),
        ((0, 4), 0, "float32", "no cells"),
        ((3, 4), 2, ">f4", "byte order"),
        ((2**15, 2**14), 2, "float32", "nearly 2³¹"),
    ],
)
def test_what_it_does_not_take_it_gives_a_reason_for(
    backend: Backend, c: tuple[int, ...], n: int, dtype: str, words: str
) -> None:
    explanation = backend.explain(LSTM, LSTMProblem(c, (n, 4 * c[1]), np.dtype(dtype)))
    assert explanation.chosen.override.source != "triton-interpret"
    assert words in str(explanation.verdicts[0].reason)
