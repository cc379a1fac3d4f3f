"""Noise injections: what is drawn, from which stream, in training and testing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.backend import seed
from kusari.configuration import using_config
from kusari.errors import InvalidType
from kusari.functions.connection.linear import linear

Array = Callable[..., Any]
Host = Callable[[Any], np.ndarray[Any, Any]]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed(1)


def zoned(x: Any, **arguments: Any) -> Any:
    return F.zoneout(as_variable(x) * 2, x, **arguments)


def sampled(x: Any) -> Any:
    return F.gaussian(x, x)


def connected(x: Any) -> Any:
    return F.simplified_dropconnect(x, x)


@pytest.mark.parametrize("function", [F.dropout, zoned, sampled, F.gumbel_softmax, connected])
def test_a_seed_repeats_the_draws(array: Array, host: Host, function: Callable[..., Any]) -> None:
    x = array(np.ones((4, 5)))
    seed(3)
    first, second = host(function(x)), host(function(x))
    seed(3)
    np.testing.assert_array_equal(host(function(x)), first)
    assert np.any(first != second)


@pytest.mark.parametrize("function", [F.dropout, zoned, sampled, F.gumbel_softmax, connected])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_that_of_x(array: Array, host: Host, function: Callable[..., Any], dtype: str) -> None:
    x = Variable(array(np.ones((4, 5)), dtype))
    y = function(x)
    assert host(y).dtype == dtype
    y.grad = array(np.ones(y.shape), dtype)
    y.backward()
    assert host(x.grad).dtype == dtype


def test_float16_stays_float16() -> None:
    x = np.ones((4, 5), "float16")
    for function in (F.dropout, zoned, sampled, F.gumbel_softmax, connected):
        assert function(x).dtype == "float16"


@pytest.mark.parametrize("function", [F.dropout, zoned, sampled, F.gumbel_softmax])
def test_integers_are_refused(array: Array, function: Callable[..., Any]) -> None:
    with pytest.raises(InvalidType, match="floating"):
        function(array([[1, 2]], "int32"))


class TestDropout:
    @pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.9])
    def test_share_and_scale(self, array: Array, host: Host, ratio: float) -> None:
        x = np.full((100, 100), 3.0)
        y, mask = F.dropout(array(x), ratio, return_mask=True)
        kept = host(y) != 0
        np.testing.assert_allclose(host(y)[kept], 3 / (1 - ratio))
        np.testing.assert_array_equal(host(y), x * host(mask))
        assert abs(np.mean(~kept) - ratio) <= 5 * math.sqrt(ratio * (1 - ratio) / x.size)

    def test_gradient_goes_through_the_same_mask(self, array: Array, host: Host) -> None:
        x = Variable(array(np.ones((3, 7))))
        y, mask = F.dropout(x, return_mask=True)
        y.grad = array(np.full((3, 7), 2.0))
        y.backward()
        np.testing.assert_array_equal(host(x.grad), 2 * host(mask))

    def test_a_mask_repeats(self, array: Array, host: Host) -> None:
        x = array(np.random.default_rng(0).normal(size=(3, 4)))
        y, mask = F.dropout(x, 0.3, return_mask=True)
        again, same = F.dropout(x, mask=mask, return_mask=True)
        np.testing.assert_array_equal(host(again), host(y))
        np.testing.assert_array_equal(host(same), host(mask))

    def test_a_mask_may_broadcast_and_be_bool(self, array: Array, host: Host) -> None:
        y = F.dropout(array(np.ones((2, 3))), mask=array([True, False, True], "bool"))
        assert host(y).tolist() == [[1, 0, 1], [1, 0, 1]]

    def test_a_mask_that_does_not_fit(self, array: Array) -> None:
        for shape in ((2,), (3, 2), (1, 2, 3)):
            with pytest.raises(InvalidType, match="broadcasts"):
                F.dropout(array(np.ones((2, 3))), mask=array(np.ones(shape)))

    def test_testing_changes_nothing(self, array: Array) -> None:
        x = Variable(array(np.ones((2, 3))))
        with using_config("train", False):
            assert F.dropout(x) is x
            same, mask = F.dropout(x, 7.0, mask=array(np.zeros((2, 3))), return_mask=True)
        assert same is x
        assert mask is None

    def test_bad_input(self, array: Array) -> None:
        x = array([1.0])
        for ratio in (1.0, -0.1, float("nan")):
            with pytest.raises(ValueError, match="range"):
                F.dropout(x, ratio)
        with pytest.raises(ValueError, match="using_config"):
            F.dropout(x, train=True)
        with pytest.raises(TypeError, match="'share'"):
            F.dropout(x, share=0.5)


class TestGaussian:
    def test_mean_and_variance(self, array: Array, host: Host) -> None:
        shape = (200, 100)
        z = host(F.gaussian(array(np.full(shape, 2.0)), array(np.full(shape, math.log(9.0)))))
        assert abs(z.mean() - 2) < 5 * 3 / math.sqrt(z.size)
        assert abs(z.std() - 3) < 5 * 3 / math.sqrt(2 * z.size)

    def test_eps_repeats(self, array: Array, host: Host) -> None:
        mean, ln_var = array([1.0, 2.0]), array([0.5, 0.0])
        z, eps = F.gaussian(mean, ln_var, return_eps=True)
        np.testing.assert_array_equal(host(F.gaussian(mean, ln_var, eps=eps)), host(z))

    def test_bad_input(self, array: Array) -> None:
        with pytest.raises(InvalidType, match="shape"):
            F.gaussian(array([1.0]), array([1.0, 2.0]))
        with pytest.raises(InvalidType, match="dtype"):
            F.gaussian(array([1.0]), array([1.0], "float32"))
        with pytest.raises(InvalidType, match="eps"):
            F.gaussian(array([1.0, 2.0]), array([1.0, 2.0]), eps=array(np.ones(3)))


class TestGumbelSoftmax:
    def test_classes_come_as_often_as_their_probability(self, array: Array, host: Host) -> None:
        p = np.array([0.1, 0.3, 0.6])
        y = host(F.gumbel_softmax(array(np.log(np.tile(p, (4000, 1)))), tau=0.01))
        np.testing.assert_allclose(y.sum(axis=1), 1)
        share = np.bincount(y.argmax(axis=1), minlength=3) / len(y)
        np.testing.assert_allclose(share, p, atol=5 * 0.5 / math.sqrt(len(y)))

    def test_axis(self, array: Array, host: Host) -> None:
        y = host(F.gumbel_softmax(array(np.zeros((3, 4))), axis=0))
        np.testing.assert_allclose(y.sum(axis=0), 1)
        assert host(F.gumbel_softmax(array(0.5))).tolist() == 1

    def test_bad_input(self, array: Array) -> None:
        with pytest.raises(InvalidType, match="ndim"):
            F.gumbel_softmax(array([0.0, 1.0]))
        with pytest.raises(ValueError, match="tau=0"):
            F.gumbel_softmax(array([[0.0, 1.0]]), tau=0)


class TestZoneout:
    def test_share_and_gradient(self, array: Array, host: Host) -> None:
        h, x = Variable(array(np.zeros((100, 100)))), Variable(array(np.ones((100, 100))))
        y = F.zoneout(h, x, 0.3)
        y.grad = array(np.full((100, 100), 2.0))
        y.backward()
        np.testing.assert_array_equal(host(x.grad), 2 * host(y))
        np.testing.assert_array_equal(host(h.grad), 2 - 2 * host(y))
        assert abs(host(y).mean() - 0.7) <= 5 * math.sqrt(0.21 / y.size)

    def test_ends(self, array: Array, host: Host) -> None:
        h, x = array(np.zeros(9)), array(np.ones(9))
        assert host(F.zoneout(h, x, 0.0)).tolist() == [1] * 9
        assert host(F.zoneout(h, x, 1.0)).tolist() == [0] * 9

    def test_testing_gives_x(self, array: Array) -> None:
        h, x = Variable(array(np.zeros(2))), Variable(array(np.ones(2)))
        with using_config("train", False):
            assert F.zoneout(h, x) is x

    def test_bad_input(self, array: Array) -> None:
        with pytest.raises(InvalidType, match="shape"):
            F.zoneout(array(np.ones((2, 3))), array(np.ones((1, 3))))
        with pytest.raises(ValueError, match="range"):
            F.zoneout(array([1.0]), array([1.0]), 1.1)
        with pytest.raises(ValueError, match="using_config"):
            F.zoneout(array([1.0]), array([1.0]), train=False)


class TestSimplifiedDropconnect:
    def test_mean_over_masks_is_the_linear_map(self, array: Array, host: Host) -> None:
        W = np.random.default_rng(0).normal(size=(3, 4))
        y = host(F.simplified_dropconnect(array(np.ones((5000, 4))), array(W), ratio=0.25))
        spread = np.sqrt((W**2).sum(axis=1) / 3)  # the variance of one term is W² ratio / (1 - ratio)
        assert np.all(np.abs(y.mean(axis=0) - W.sum(axis=1)) < 5 * spread / math.sqrt(5000))

    @pytest.mark.parametrize("batchwise", [True, False])
    def test_rows_share_a_mask_or_do_not(self, array: Array, host: Host, batchwise: bool) -> None:
        x, W = array(np.ones((20, 6))), array(np.random.default_rng(0).normal(size=(2, 6)))
        y = host(F.simplified_dropconnect(x, W, use_batchwise_mask=batchwise))
        assert (len(np.unique(y[:, 0].round(9))) > 1) is batchwise

    def test_without_training_it_is_linear(self, array: Array, host: Host) -> None:
        rng = np.random.default_rng(0)
        x, W, b = (array(rng.normal(size=shape)) for shape in ((3, 2, 2), (5, 4), (5,)))
        y = F.simplified_dropconnect(x, W, b, train=False)
        np.testing.assert_array_equal(host(y), host(linear(x, W, b)))

    def test_bad_input(self, array: Array) -> None:
        x, W = array(np.ones((2, 3))), array(np.ones((4, 3)))
        with pytest.raises(ValueError, match="range"):
            F.simplified_dropconnect(x, W, ratio=1.0)
        with pytest.raises(InvalidType, match="shape"):
            F.simplified_dropconnect(x, array(np.ones((4, 2))))
        with pytest.raises(InvalidType, match="shape"):
            F.simplified_dropconnect(x, W, array(np.ones(3)))
        with pytest.raises(InvalidType, match="mask of shape"):
            F.simplified_dropconnect(x, W, mask=array(np.ones((3, 4, 3))))
