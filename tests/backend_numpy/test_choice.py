"""Choosing by bits, against `numpy.where`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kusari_numpy import choice
from kusari_numpy.choice import choose


def same_bits(a: Any, b: Any) -> None:
    """Compare NaN with NaN, and 0 with −0 as what they are."""
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]))


def special(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    values = random.standard_normal(shape).astype(dtype)
    for number in (np.nan, np.inf, -np.inf, 0.0, -0.0):
        values[random.random(shape) < 0.1] = number
    return values


@settings(max_examples=80, deadline=None)
@given(
    dtype=st.sampled_from("fde"),
    numbers=st.tuples(*[st.sampled_from([None, 0, 0.0, -0.0, 1, 0.5, True])] * 2),
    layout=st.sampled_from(["dense", "turned", "gaps"]),
    written=st.sampled_from([None, "new", "x", "y"]),
    shape=st.sampled_from([(7, 5), (1, 1), (0, 3), (64, 70)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_is_where(
    dtype: str, numbers: tuple[Any, Any], layout: str, written: str | None, shape: tuple[int, int], seed: int
) -> None:
    random = np.random.default_rng(seed)

    def laid(array: Any) -> Any:
        return {"dense": array, "turned": array.T, "gaps": array[::2]}[layout]

    condition = laid(random.random(shape) < 0.5)
    x, y = (laid(special(random, shape, dtype)) if number is None else number for number in numbers)
    expected = np.where(condition, x, y)
    out = None
    if written is not None:
        out = {"new": np.empty_like(expected), "x": x, "y": y}[written]
        if not isinstance(out, np.ndarray) or out.dtype != expected.dtype:
            out = np.empty_like(expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "SMALLEST", 0)
        made = choose(condition, x, y, out=out)
    assert out is None or made is out
    same_bits(made, expected)


def test_what_numpy_promotes_or_stretches_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "SMALLEST", 0)
    condition = np.asarray([True, False, True])
    x = np.asarray([1, 2, 3], "f")
    for pair in ((x, np.float64(2)), (x, x.astype("d")), (x, np.ones(1, "f")), (1.0, 2.0), (x.astype(">f4"), 0.0)):
        same_bits(choose(condition, *pair), np.where(condition, *pair))
    same_bits(choose(condition.astype("i4"), x, 0.0), np.where(condition, x, 0))
