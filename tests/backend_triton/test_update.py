"""Update rules, interpreted: in place, alone and many parameters in one launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from kusari.backend import Backend
from kusari.dtypes import host_dtype
from kusari.kernels import update

Array = np.ndarray[Any, Any]
SHAPES = [(3, 4), (7,), (), (0, 2), (2, 3, 4, 5), (150_000,)]  # the last one takes two interpreted programs


def columns(rng: np.random.Generator, number: int, dtype: str = "float32") -> list[list[Array]]:
    """Parameters, gradients and states; the last column is not negative, as Adam's v."""
    found = [
        [np.asarray(rng.standard_normal(shape)).astype(host_dtype(dtype)) for shape in SHAPES] for _ in range(number)
    ]
    found[-1] = [np.asarray(abs(array)) for array in found[-1]]
    return found


def adam(p: Array, g: Array, m: Array, v: Array, scalars: Sequence[float]) -> tuple[Array, ...]:
    """Kingma and Ba 2015, algorithm 1, with decoupled decay; bias correction is in the step size."""
    step_size, beta1, beta2, epsilon, eta, decay = scalars
    p, g, m, v = (array.astype("d") for array in (p, g, m, v))
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return p - eta * (step_size * m / (np.sqrt(v) + epsilon) + decay * p), m, v


def momentum(p: Array, g: Array, v: Array, scalars: Sequence[float]) -> tuple[Array, ...]:
    learning_rate, friction = scalars
    p, g, v = (array.astype("d") for array in (p, g, v))
    v = friction * v - learning_rate * g
    return p + v, v


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 3e-7), ("float64", 4e-16), ("float16", 2e-3)])
def test_adam_in_place(backend: Backend, dtype: str, tolerance: float) -> None:
    p, g, m, v = (column[4] for column in columns(np.random.default_rng(1), 4, dtype))
    scalars = (0.01, 0.9, 0.999, 1e-8, 1.0, 0.001)
    expected = adam(p, g, m, v, scalars)
    given = g.copy()
    result = update.adam(backend, p, g, m, v, *scalars)
    assert [ours is own for ours, own in zip(result, (p, m, v), strict=True)] == [True] * 3
    np.testing.assert_array_equal(g, given)
    for ours, exact in zip(result, expected, strict=True):
        np.testing.assert_allclose(ours.astype("d"), exact, rtol=tolerance, atol=tolerance)


def test_sgd_returns_the_parameter_itself(backend: Backend) -> None:
    p, g = np.arange(6, dtype="f"), np.ones(6, "f")
    result = update.sgd(backend, p, g, 0.5)
    np.testing.assert_array_equal(p, np.arange(6) - 0.5)
    assert isinstance(result, tuple)
    assert result[0] is p


def test_memory_that_cannot_take_the_result_is_left_alone(backend: Backend) -> None:
    p = np.lib.stride_tricks.as_strided(np.full(1, 2, "f"), (4,), (0,))  # four elements, one number
    g = np.ones(4, "f")
    result = update.momentum_sgd(backend, p, g, np.zeros(4, "f"), 0.5, 0.9)
    np.testing.assert_array_equal(result[0], np.full(4, 1.5))
    np.testing.assert_array_equal(p, np.full(4, 2))
    frozen = np.ones(4, "f")
    frozen.flags.writeable = False
    update.momentum_sgd(backend, frozen, g, np.zeros(4, "f"), 0.5, 0.9)
    np.testing.assert_array_equal(frozen, np.ones(4))


def test_foreach_is_one_launch(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    own = columns(np.random.default_rng(2), 4)
    rows = [(0.01 * (row + 1), 0.9, 0.999, 1e-8, 1.0, 0.0) for row in range(len(SHAPES))]
    expected = [adam(*arrays, scalars) for *arrays, scalars in zip(*own, rows, strict=True)]
    launches = _count_launches(monkeypatch, backend)
    results = backend.foreach(update.adam, own, rows)
    assert launches == [(len(SHAPES), 1, 1)]  # two programs for the last row, none for the empty one
    for row, (result, exact) in enumerate(zip(results, expected, strict=True)):
        assert result[0] is own[0][row]
        for ours, theirs in zip(result, exact, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=3e-7, atol=3e-7)


def test_foreach_takes_mixed_dtypes_and_layouts(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    p, g, v = ([rng.standard_normal((4, 6)).astype("f") for _ in range(4)] for _ in range(3))
    for column in (p, g, v):
        column[1] = column[1].astype("d")
        column[2] = np.asfortranarray(column[2])
    p[3] = np.asfortranarray(p[3])  # not in its gradient's order: by itself
    rows = [(0.1, 0.9)] * 4
    expected = [momentum(*arrays, scalars) for *arrays, scalars in zip(p, g, v, rows, strict=True)]
    launches = _count_launches(monkeypatch, backend)
    results = backend.foreach(update.momentum_sgd, [p, g, v], rows)
    assert len(launches) == 3  # row 3, the float32 rows, the float64 row
    for row, (result, exact) in enumerate(zip(results, expected, strict=True)):
        assert result[0] is p[row]
        for ours, theirs in zip(result, exact, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=3e-7, atol=3e-7)


def test_foreach_runs_an_override_where_there_is_one(backend: Backend) -> None:
    above = type(backend)("above", backend, backend.launcher)  # type: ignore[attr-defined, call-arg]
    seen = []

    @above.implements(update.sgd)
    def sgd(backend: Backend, p: Array, g: Array, learning_rate: float) -> tuple[Array]:
        seen.append(learning_rate)
        return (p - learning_rate * g,)

    above.foreach(update.sgd, [[np.ones(2, "f")] * 2, [np.ones(2, "f")] * 2], [(0.5,), (0.25,)])
    assert seen == [0.5, 0.25]


def _count_launches(monkeypatch: pytest.MonkeyPatch, backend: Any) -> list[tuple[int, int, int]]:
    grids: list[tuple[int, int, int]] = []
    run = backend.launcher.run

    def counted(plans: Any, key: Any, arguments: Any, make: Any) -> None:
        grids.append(make().grid)
        run(plans, key, arguments, make)

    monkeypatch.setattr(backend.launcher, "run", counted)
    monkeypatch.setattr(backend, "_expressions", {})
    backend.forget_choices()
    return grids
