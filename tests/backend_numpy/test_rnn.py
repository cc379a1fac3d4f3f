"""The compiled step of an LSTM against its formula, finite differences and the portable definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from tests.backend_numpy.arrays import compiled, in_format

from kusari.backend import get_backend
from kusari.kernels.rnn import LSTM, LSTMProblem
from kusari_numpy.kernels.rnn import SMALLEST, CompiledLSTM
from kusari_numpy.threads import get_num_threads, set_num_threads

pytestmark = compiled


def oracle(c_prev: Any, x: Any) -> tuple[Any, Any]:
    n, units = len(x), c_prev.shape[1]
    a, i, f, o = np.moveaxis(x.astype("d").reshape(n, units, 4), -1, 0)
    c = c_prev.astype("d")
    c[:n] = expit(i) * np.tanh(a) + expit(f) * c[:n]
    return c, expit(o) * np.tanh(c[:n])


@st.composite
def steps(draw: Any, dtype: str) -> tuple[Any, Any, CompiledLSTM]:
    """Draw c′ and x, of which c′ may have more rows, in any memory, read-only."""
    n, more, units = draw(st.integers(0, 5)), draw(st.integers(0, 2)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    formats = st.sampled_from(["dense", "slice", "reversed axes"])
    c, x = (
        in_format(3 * rng.standard_normal(shape).astype(dtype), draw(formats))
        for shape in ((n + more, units), (n, 4 * units))
    )
    return c, x, CompiledLSTM(get_backend("numpy"), LSTMProblem(c.shape, x.shape, x.dtype))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), dtype=st.sampled_from("fd"))
def test_a_step_against_the_formula(data: st.DataObject, dtype: str) -> None:
    c_prev, x, plan = data.draw(steps(dtype))
    c, y, _ = plan.forward(c_prev, x)
    for found, expected in zip((c, y), oracle(c_prev, x), strict=True):
        assert found.dtype == x.dtype
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 if dtype == "d" else 1e-5)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), missing=st.sampled_from([None, "gc", "gy"]))
def test_gradients_against_finite_differences_and_the_portable_definition(
    data: st.DataObject, missing: str | None
) -> None:
    c_prev, x, plan = data.draw(steps("d"))
    rng, step = np.random.default_rng(0), 1e-5
    c, y, kept = plan.forward(c_prev, x)
    gc = None if missing == "gc" else rng.standard_normal(c.shape)
    gy = None if missing == "gy" else rng.standard_normal(y.shape)
    gradients = plan.backward(kept, c_prev, x, gc, gy)
    moves = rng.standard_normal(c_prev.shape), rng.standard_normal(x.shape)
    there, back = (oracle(c_prev + s * moves[0], x + s * moves[1]) for s in (step, -step))
    slope = sum(
        np.sum((a - b) * g) / (2 * step) for a, b, g in zip(there, back, (gc, gy), strict=True) if g is not None
    )
    found = sum(np.sum(g * move) for g, move in zip(gradients, moves, strict=True))
    assert float(found) == pytest.approx(float(slope), rel=1e-6, abs=1e-7)
    portable: Any = LSTM(plan.backend, plan.problem)
    for a, b in zip(gradients, portable.backward(portable.forward(c_prev, x)[2], c_prev, x, gc, gy), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


def test_large_steps_give_the_same_whatever_the_number_of_threads_and_nan_stays_in_its_unit() -> None:
    rng, before, results = np.random.default_rng(0), get_num_threads(), []
    c_prev, x = rng.standard_normal((301, 200)).astype("f"), rng.standard_normal((300, 800)).astype("f")
    c_prev[1, 2], x[7, 4 * 5] = np.nan, np.inf
    plan = LSTM.plan(get_backend("numpy"), LSTMProblem(c_prev.shape, x.shape, x.dtype))
    assert isinstance(plan, CompiledLSTM)
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            c, y, kept = plan.forward(c_prev, x)
            results.append([c, y, *plan.backward(kept, c_prev, x, c, y)])
    finally:
        set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    c, y, _, gx = results[0]
    assert [np.argwhere(np.isnan(a)).tolist() for a in (c, y)] == [[[1, 2]]] * 2
    assert np.isfinite(np.delete(gx, 1, axis=0)).all()  # tanh(∞) is 1, and flat there
    np.testing.assert_allclose(c, oracle(c_prev, x)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": np.dtype("float16")}, "not float16"),
        ({"c": (99, 99, 3), "x": (99, 396, 3)}, "further axes"),
        ({"x": (0, 396)}, f"fewer than {SMALLEST}"),
    ],
)
def test_what_it_does_not_take_goes_to_the_portable_definition(change: dict[str, Any], reason: str) -> None:
    p = LSTMProblem((99, 99), (99, 396), np.dtype("f"))
    explain = get_backend("numpy").explain
    assert explain(LSTM, p).chosen.override.implementation is CompiledLSTM
    explanation = explain(LSTM, p._replace(**change))
    assert explanation.chosen.override.source == "portable"
    assert reason in str(explanation)
