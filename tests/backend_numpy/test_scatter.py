"""Compiled sums of rows that share a place, against NumPy's unbuffered additions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backend_numpy.arrays import FORMATS, compiled, in_format

from kusari.backend import get_backend
from kusari.kernels.embed import embed_grad
from kusari.kernels.scatter import scatter_add, scatter_sum
from kusari_numpy.kernels.scatter import SMALLEST, scatter_rows
from kusari_numpy.threads import get_num_threads, set_num_threads


def oracle(values: Any, index: Any, axis: int, length: int) -> Any:
    rows = np.moveaxis(values, axis, 0).astype("d")
    total = np.zeros((length, *rows.shape[1:]))
    np.add.at(total, index, rows)
    return np.moveaxis(total, 0, axis)


@compiled
@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from("fd"),
    axis=st.integers(0, 2),
    name=st.sampled_from(FORMATS),
    seed=st.integers(0, 9),
    length=st.integers(1, 40),
)
def test_against_unbuffered_additions(dtype: str, axis: int, name: str, seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    values = in_format(rng.standard_normal((17, 18, 19)).astype(dtype), name)
    assert values.size >= SMALLEST
    index = rng.integers(0, length, values.shape[axis]).astype(rng.choice(["i", "l", "b"]))
    index.flags.writeable = False
    found = scatter_sum(get_backend("numpy"), values, index, axis, length)
    assert found.dtype == values.dtype
    expected = oracle(values, index, axis, length)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 if dtype == "d" else 1e-4)


@compiled
def test_it_serves_embeddings_and_additions_whatever_the_number_of_threads() -> None:
    rng, backend, before = np.random.default_rng(0), get_backend("numpy"), get_num_threads()
    assert backend.explain(scatter_sum).chosen.override.implementation is scatter_rows
    x, gy = rng.integers(-1, 50, (20, 30)), rng.standard_normal((20, 30, 301)).astype("f")
    gy[x == -1] = np.nan
    results = []
    try:
        for threads in (1, 3):
            set_num_threads(threads)
            results.append(embed_grad(backend, x, gy, 60, -1))
    finally:
        set_num_threads(before)
    np.testing.assert_array_equal(*results)
    counted = x != -1
    np.testing.assert_allclose(results[0], oracle(gy[counted], x[counted], 0, 60), rtol=0, atol=1e-4)
    start = rng.standard_normal((60, 301)).astype("f")
    index = np.asarray([59, 0, 59] * 5)
    more = rng.standard_normal((15, 301)).astype("f")
    expected = start + oracle(more, index, 0, 60)
    np.testing.assert_allclose(scatter_add(backend, start, index, more, 0), expected, rtol=0, atol=1e-5)


@compiled
@pytest.mark.parametrize("wrong", [-1, 7])
def test_an_index_out_of_range_is_an_error(wrong: int) -> None:
    values, index = np.zeros((SMALLEST, 2)), np.zeros(SMALLEST, int)
    index[5] = wrong
    with pytest.raises(IndexError, match=r"expected 0 to 6"):
        scatter_sum(get_backend("numpy"), values, index, 0, 7)


@compiled
def test_what_is_small_or_has_16_bits_goes_to_the_portable_definition() -> None:
    backend, index = get_backend("numpy"), np.zeros(SMALLEST, int)
    made = scatter_sum(backend, np.ones((SMALLEST, 2), "e"), index, 0, 2)
    assert made.dtype == np.float16
    np.testing.assert_array_equal(made, [[SMALLEST] * 2, [0, 0]])  # pairwise: one by one, 2048 + 1 is 2048
    np.testing.assert_array_equal(scatter_sum(backend, np.ones((3, 2)), np.asarray([1, 1, 0]), 0, 2), [[1, 1], [2, 2]])
    assert scatter_sum(backend, np.ones((0, 2)), index[:0], 0, 2).shape == (2, 2)


@compiled
def test_sums_of_many_rows_keep_float32s_digits() -> None:
    values = np.random.default_rng(0).random((50_000, 3)).astype("f") + 1
    index = np.arange(50_000) % 2
    found = scatter_sum(get_backend("numpy"), values, index, 0, 2)
    np.testing.assert_allclose(found, oracle(values, index, 0, 2), rtol=2e-7)  # one by one it would be 1e-4
