"""Kernels on float16 and bfloat16, compiled for the host: computed in float32, and rounded once."""

from __future__ import annotations

import subprocess
from typing import Any

import numpy as np
import pytest
from scipy import special
from tests.backend_cupy.host_cupy import array, compiled, host_backend

import kusari_cupy.kernels.softmax as softmax_kernels
from kusari.backend import get_backend
from kusari.dtypes import host_dtype
from kusari.kernels import activation, softmax
from kusari.kernels.activation import RELU
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.norm import Normalization, NormalizationProblem
from kusari.kernels.pooling import AveragePooling, MaxPooling, PoolingProblem
from kusari.kernels.window import Window

HOST = host_backend()
UNIT = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Half a unit in the last place of 1."""


@pytest.fixture(scope="module", autouse=True)
def a_compiler_with_float16() -> None:
    try:
        compiled("static _Float16 one = 1;")
    except subprocess.CalledProcessError:
        pytest.skip("the C++ compiler (g++) has no _Float16")


@pytest.fixture(autouse=True)
def one_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax_kernels, "WARP", 1)  # lanes cannot exchange values on the host


@pytest.fixture(params=sorted(UNIT))
def name(request: Any) -> str:
    return str(request.param)


def drawn(name: str, *shape: int, seed: int = 0) -> Any:
    """Return numbers around 1 that the dtype has."""
    return array(np.random.default_rng(seed).standard_normal(shape).astype(host_dtype(name)))


def check(made: Any, expected: Any, name: str, roundings: int = 1) -> None:
    assert made.dtype == host_dtype(name)
    expected = np.asarray(expected, "d")
    error = np.abs(np.asarray(made, "d") - expected)
    assert (error <= roundings * UNIT[name] * np.maximum(np.abs(expected), 1e-2) + 1e-6).all(), error.max()


def test_softmax(name: str) -> None:
    x = drawn(name, 5, 13)
    check(softmax.softmax(HOST, x, 1), special.softmax(x.astype("d"), axis=1), name)
    check(softmax.log_softmax(HOST, x, 1), special.log_softmax(x.astype("d"), axis=1), name)


def test_elementwise_kernels(name: str) -> None:
    x, gy = drawn(name, 40), drawn(name, 40, seed=1)
    check(activation.leaky_relu(HOST, x, 0.25), np.where(x >= 0, x, 0.25 * x.astype("d")), name)
    check(activation.relu_grad(HOST, x, gy), np.where(x > 0, gy.astype("d"), 0), name)
    check(activation.tanh(HOST, x), np.tanh(x.astype("d")), name)


@pytest.mark.parametrize("family", [MaxPooling, AveragePooling])
def test_pooling(family: Any, name: str) -> None:
    problem = PoolingProblem((2, 3, 7, 5), Window((3, 2), (2, 1), (1, 0), (1, 1)), host_dtype(name))
    x = drawn(name, *problem.x)
    exact = family(get_backend("numpy"), problem._replace(dtype=np.dtype("d")))
    plan = family.plan(HOST, problem)
    assert type(plan) is not family  # the plugin's own
    made, expected = plan.forward(x), exact.forward(np.asarray(x, "d"))
    if family is MaxPooling:
        np.testing.assert_array_equal(made[1], expected[1])
        made, expected = made[0], expected[0]
    check(made, expected, name)


@pytest.mark.parametrize("chosen", [None, RELU])
def test_normalization_with_float32_parameters(chosen: Any, name: str) -> None:
    problem = NormalizationProblem((4, 3, 5, 5), host_dtype(name), np.dtype("f"), (0, 2, 3), 1e-5, activation=chosen)
    x, gy = drawn(name, *problem.x), drawn(name, *problem.x, seed=1)
    gamma, beta = (array(np.random.default_rng(seed).standard_normal(3).astype("f")) for seed in (2, 3))
    exact = Normalization(get_backend("numpy"), problem._replace(dtype=np.dtype("d"), parameter_dtype=np.dtype("d")))
    plan: Any = Normalization.plan(HOST, problem)
    assert type(plan) is not Normalization
    y, mean, var = plan.forward(x, gamma, beta)
    wide = [np.asarray(a, "d") for a in (x, gamma, beta)]
    expected = exact.forward(*wide)  # type: ignore[arg-type]
    check(y, expected[0], name)
    np.testing.assert_allclose(np.asarray(mean), expected[1], atol=1e-5)
    np.testing.assert_allclose(np.asarray(var), expected[2], atol=1e-5)
    given = (wide[0], wide[1], np.asarray(mean, "d"), np.asarray(var, "d"), np.asarray(y, "d"), np.asarray(gy, "d"))
    gx, ggamma, gbeta = plan.backward(x, gamma, mean, var, y, gy)
    right: Any = exact.backward(*given)  # type: ignore[arg-type]
    check(gx, right[0], name)
    for made, wanted in ((ggamma, right[1]), (gbeta, right[2])):
        assert made.dtype == np.dtype("f")
        np.testing.assert_allclose(np.asarray(made), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_what_convolution_unfolds(stride: int) -> None:
    window = Window((3, 3), (stride, stride), (1, 1), (1, 1))
    problem = ConvolutionProblem((2, 3, 6, 5), (4, 3, 3, 3), window, np.dtype("float16"))
    x, W, gy = drawn("float16", *problem.x), drawn("float16", *problem.W, seed=1), drawn("float16", *problem.y, seed=2)
    plan: Any = Convolution.plan(HOST, problem)
    assert type(plan) is not Convolution
    exact: Any = Convolution(get_backend("numpy"), problem._replace(dtype=np.dtype("d")))
    wide = [np.asarray(a, "d") for a in (x, W, gy)]
    # NumPy's product of float16 rounds each sum of 27 or more; what is unfolded and put together is the plugin's.
    for made, expected in (
        (plan.forward(x, W, None), exact.forward(wide[0], wide[1], None)),
        (plan.grad_input(W, gy), exact.grad_input(wide[1], wide[2])),
        (plan.grad_weight(x, gy), exact.grad_weight(wide[0], wide[2])),
    ):
        assert made.dtype == problem.dtype
        np.testing.assert_allclose(np.asarray(made, "d"), expected, rtol=0, atol=60 * UNIT["float16"])
