"""Sums of 16-bit numbers: as exact as the dtype of the result, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import kusari
import kusari.functions as F

COUNT = 6000  # float16 alone would stop at 2048, bfloat16 at 256
ONES = np.ones((COUNT, 3))
CALLS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: F.sum(x, axis=0),
    "sum_to": lambda x: F.sum_to(x, (3,)),
    "mean": lambda x: F.mean(x, axis=0) * COUNT,
    "einsum": lambda x: F.einsum("nc->c", x),
    "tensordot": lambda x: F.tensordot(np.ones(COUNT).astype(x.dtype), x, 1),
}


@pytest.fixture(params=[np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
def dtype(request: pytest.FixtureRequest) -> Any:
    return np.dtype(request.param)


@pytest.mark.parametrize("name", CALLS)
def test_sums_do_not_stop(name: str, dtype: Any) -> None:
    y = CALLS[name](ONES.astype(dtype))
    assert y.dtype == dtype
    np.testing.assert_allclose(y.array.astype(float), COUNT, rtol=float(ml_dtypes.finfo(dtype).eps))


def test_gradients_of_biases_do_not_stop(dtype: Any) -> None:
    x, W, b = (kusari.Variable(one.astype(dtype)) for one in (np.zeros((COUNT, 1)), np.zeros((2, 1)), np.zeros(2)))
    y = F.linear(x, W, b)
    y.grad = np.ones(y.shape, dtype)
    y.backward()
    np.testing.assert_allclose(b.grad.astype(float), COUNT, rtol=float(ml_dtypes.finfo(dtype).eps))


def test_gradients_of_recurrent_biases_do_not_stop(dtype: Any) -> None:
    zeros = np.zeros((1, COUNT, 1)).astype(dtype)
    bs = [kusari.Variable(zeros[0, 0]) for _ in range(2)]
    _, (y,) = F.n_step_rnn(1, 0.0, zeros, [[zeros[0, :1]] * 2], [bs], [zeros[0]])
    y.grad = np.ones(y.shape, dtype)
    y.backward()
    for b in bs:
        np.testing.assert_allclose(b.grad.astype(float), COUNT, rtol=float(ml_dtypes.finfo(dtype).eps))
