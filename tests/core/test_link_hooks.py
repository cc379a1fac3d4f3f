"""The hooks that come with links: time, spectral normalization, weight standardization."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari.autograd import Variable, no_backprop_mode
from kusari.configuration import using_config
from kusari.link_hooks import SpectralNormalization, TimerHook, WeightStandardization
from kusari.model import Chain, Link, Parameter

Array = Callable[..., Any]
Host = Callable[[Any], np.ndarray[Any, Any]]


def random(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape)


class Affine(Link):
    """x W, on any backend and in any dtype, with the weight's outputs along axis 0."""

    def __init__(self, W: Any) -> None:
        super().__init__()
        with self.init_scope():
            self.W = Parameter(W)

    def forward(self, x: Any) -> Variable:
        return x @ self.W.reshape(self.W.shape[0], -1).T


class Deconvolution2D(Affine):
    """Stands for the deconvolutions: the hook knows them by the name of their class."""

    def forward(self, x: Any) -> Variable:
        return x @ self.W.reshape(self.W.shape[0], -1)


class Broken(Link):
    def __init__(self) -> None:
        super().__init__(W=(2, 3))
        self.W.array[...] = random(2, 3)

    def forward(self, x: Any) -> Any:
        raise ZeroDivisionError


# Spectral normalization.


def power_iteration(W: Any, u: Any, steps: int, eps: float = 1e-6) -> tuple[Any, float]:
    for _ in range(steps):
        v = W.T @ u
        v = v / (np.linalg.norm(v) + eps)
        u = W @ v
        u = u / (np.linalg.norm(u) + eps)
    return u, u @ W @ v


@pytest.mark.parametrize("steps", [1, 3])
def test_the_weight_is_divided_by_the_estimate_of_its_largest_singular_value(
    array: Array, host: Host, steps: int
) -> None:
    W, x = random(4, 3, 2), random(5, 6, seed=1)
    link = Affine(array(W))
    link.add_hook(SpectralNormalization(n_power_iteration=steps))
    u = host(link.W_u)
    assert u.shape == (4,)
    assert str(u.dtype) == "float64"
    for _ in range(3):
        y = link(Variable(array(x)))
        u, sigma = power_iteration(W.reshape(4, 6), u, steps)
        np.testing.assert_allclose(host(link.W_u), u, rtol=1e-9)
        np.testing.assert_allclose(host(y), x @ W.reshape(4, 6).T / sigma, rtol=1e-9)
        assert isinstance(link.W, Parameter)
        np.testing.assert_array_equal(host(link.W), W)


def test_many_steps_find_the_largest_singular_value(array: Array, host: Host) -> None:
    W = random(4, 6)
    link = Affine(array(W)).add_hook(SpectralNormalization(n_power_iteration=200))
    y = link(Variable(array(np.eye(6))))
    assert np.linalg.svd(host(y))[1][0] == pytest.approx(1, rel=1e-6)


def test_factor_and_gamma(array: Array, host: Host) -> None:
    W = random(3, 5)
    largest = np.linalg.svd(W)[1][0]
    hook = SpectralNormalization(n_power_iteration=200, use_gamma=True, factor=3.0)
    link = Affine(array(W)).add_hook(hook)
    assert link.gamma.shape == ()
    assert link.gamma.dtype == np.float64
    assert float(host(link.gamma)) == pytest.approx(largest, rel=1e-5)
    assert sorted(path for path, _ in link.namedparams()) == ["/W", "/gamma"]
    y = link(Variable(array(np.eye(5))))
    np.testing.assert_allclose(host(y).T, 3 * W, rtol=1e-4)
    y.sum().backward()
    np.testing.assert_allclose(host(link.gamma.grad), 3 * W.sum() / largest, rtol=1e-4)


def test_gradients_go_through_the_singular_value(array: Array, host: Host) -> None:
    W, g = random(3, 4), random(4, 3, seed=1)

    def loss(W: Any) -> float:
        return float(np.sum(W.T / np.linalg.svd(W)[1][0] * g))

    link = Affine(array(W)).add_hook(SpectralNormalization(n_power_iteration=300, eps=0))
    link.cleargrads()
    (link(Variable(array(np.eye(4)))) * array(g)).sum().backward()
    numeric = np.empty_like(W)
    for place in np.ndindex(W.shape):
        step = np.zeros_like(W)
        step[place] = 1e-6
        numeric[place] = (loss(W + step) - loss(W - step)) / 2e-6
    np.testing.assert_allclose(host(link.W.grad), numeric, atol=1e-6)


def test_the_vector_moves_in_training_only(array: Array, host: Host) -> None:
    link = Affine(array(random(4, 3))).add_hook(SpectralNormalization())
    x = Variable(array(random(2, 3)))
    before = host(link.W_u)
    for key in ("train", "in_recomputing"):
        with using_config(key, key == "in_recomputing"):
            link(x)
        np.testing.assert_array_equal(host(link.W_u), before)
    link(x)
    assert not np.array_equal(host(link.W_u), before)


def test_deconvolutions_have_their_outputs_along_axis_1(array: Array, host: Host) -> None:
    W = random(3, 4, 2)
    link = Deconvolution2D(array(W)).add_hook(SpectralNormalization(n_power_iteration=300))
    assert link.W_u.shape == (4,)
    y = link(Variable(array(np.eye(3))))
    largest = np.linalg.svd(W.transpose(1, 0, 2).reshape(4, 6))[1][0]
    np.testing.assert_allclose(host(y), W.reshape(3, 8) / largest, rtol=1e-6)


def test_spectral_normalization_under_forget() -> None:
    """What is computed again starts from the u of the first time, though a later call has moved it on."""
    gradients = []
    for forget in (lambda function, x: function(x), F.forget):
        layer = L.Linear(3, 2, initialW=np.arange(6.0).reshape(2, 3) - 2)
        kusari.seed(0)
        layer.add_hook(SpectralNormalization())
        x = Variable(np.ones((1, 3), "f"))
        y = forget(layer, x) + layer(2 * x)
        F.sum(y * y).backward()
        gradients.append((x.grad, layer.W.grad))
    for plain, forgotten in zip(*gradients, strict=True):
        np.testing.assert_allclose(forgotten, plain, rtol=1e-6)


def test_spectral_normalization_mistakes() -> None:
    with pytest.raises(AssertionError, match="expected 1 or more"):
        SpectralNormalization(n_power_iteration=0)
    with pytest.raises(NotImplementedError, match="add_hook"), SpectralNormalization():
        pass
    with pytest.raises(ValueError, match="Linear has no parameter 'V'"):
        L.Linear(3, 2).add_hook(SpectralNormalization(weight_name="V"))


def test_what_failed_to_be_added_is_not_registered() -> None:
    link = L.Linear(3, 2)
    with pytest.raises(ValueError, match="no parameter"):
        link.add_hook(SpectralNormalization(weight_name="V"))
    assert link.local_link_hooks == {}
    assert link(np.ones((1, 3), "f")).shape == (1, 2)


def test_a_weight_without_data_is_made_by_the_first_call_whose_arguments_may_be_keywords() -> None:
    link = L.Linear(None, 4).add_hook(SpectralNormalization(use_gamma=True))
    assert sorted(link._params) == ["W", "b"]
    assert not hasattr(link, "W_u")
    x = np.asarray(random(2, 3), "f")
    y = link(x=x)
    assert sorted(link._params) == ["W", "b", "gamma"]
    assert link._persistent == {"W_u"}
    assert link.W.shape == (4, 3)
    assert y.creator_node is not None
    link.delete_hook("SpectralNormalization")
    assert sorted(link._params) == ["W", "b"]
    assert not hasattr(link, "W_u")
    assert not hasattr(link, "gamma")
    np.testing.assert_allclose(link(x).array, x @ link.W.array.T, rtol=1e-5)


def test_the_first_call_shows_other_hooks_one_call() -> None:
    model = Chain(inner=L.Linear(None, 4).add_hook(WeightStandardization()))
    with TimerHook() as hook, kusari.function_hooks.TimerHook() as functions:
        model.inner(np.ones((1, 3), "f"))
    assert [name for name, _ in hook.call_history] == ["Linear"]
    assert [name for name, _ in functions.call_history].count("LinearFunction") == 1


def test_the_vector_is_saved_copied_and_moved(tmp_path: Path) -> None:
    link = L.Linear(3, 4).add_hook(SpectralNormalization(use_gamma=True))
    link(np.ones((1, 3), "f"))
    kusari.serializers.save_npz(tmp_path / "link", link)
    with np.load(tmp_path / "link") as saved:
        assert sorted(saved) == ["W", "W_u", "b", "gamma"]
    other = L.Linear(3, 4).add_hook(SpectralNormalization(use_gamma=True))
    kusari.serializers.load_npz(tmp_path / "link", other)
    np.testing.assert_array_equal(other.W_u, link.W_u)
    twin = link.copy("copy")
    x = np.ones((1, 3), "f")
    np.testing.assert_array_equal(twin(x).array, link(x).array)
    np.testing.assert_array_equal(twin.W_u, link.W_u)
    assert twin.W_u is not link.W_u
    link(x)
    assert not np.array_equal(twin.W_u, link.W_u)


def test_float16_weights_keep_their_dtype() -> None:
    W = (random(4, 3) * 50).astype("float16")
    link = Affine(W).add_hook(SpectralNormalization(use_gamma=True, n_power_iteration=50))
    y = link(Variable(np.eye(3, dtype="float16")))
    assert (y.dtype, link.W_u.dtype, link.gamma.dtype) == (np.float16, np.float16, np.float16)
    assert np.all(np.isfinite(y.array))
    np.testing.assert_allclose(y.array.T, W, rtol=1e-2, atol=0.05)


def test_the_weight_comes_back_after_a_failed_call() -> None:
    link = Broken().add_hook(SpectralNormalization()).add_hook(WeightStandardization())
    with pytest.raises(ZeroDivisionError):
        link(np.ones((1, 3), "f"))
    assert isinstance(link.W, Parameter)


def test_one_hook_may_be_of_two_links_that_call_each_other(array: Array, host: Host) -> None:
    class Outer(Affine):
        inner: Link

        def forward(self, x: Any) -> Variable:
            return super().forward(self.inner(x))

    hook = WeightStandardization()
    inner, outer = Affine(array(random(3, 3))), Outer(array(random(2, 3, seed=1)))
    outer.inner = inner.add_hook(hook)
    outer.add_hook(hook)
    outer(Variable(array(random(2, 3))))
    assert isinstance(inner.W, Parameter)
    assert isinstance(outer.W, Parameter)
    np.testing.assert_array_equal(host(inner.W), random(3, 3))


# Weight standardization.


def test_each_filter_is_standardized(array: Array, host: Host) -> None:
    W, x = random(4, 3, 2) * 5 + 3, random(5, 6, seed=1)
    link = Affine(array(W)).add_hook(WeightStandardization(eps=1e-3))
    flat = W.reshape(4, 6)
    expected = (flat - flat.mean(1, keepdims=True)) / np.sqrt(flat.var(1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(host(link(Variable(array(x)))), x @ expected.T, rtol=1e-9)
    assert isinstance(link.W, Parameter)
    assert link._persistent == set()


def test_gradients_go_through_mean_and_variance(array: Array, host: Host) -> None:
    W, g = random(2, 4), random(4, 2, seed=1)
    link = Affine(array(W)).add_hook(WeightStandardization())
    link.cleargrads()
    (link(Variable(array(np.eye(4)))) * array(g)).sum().backward()

    def loss(W: Any) -> float:
        standard = (W - W.mean(1, keepdims=True)) / np.sqrt(W.var(1, keepdims=True) + 1e-5)
        return float(np.sum(standard.T * g))

    for place in np.ndindex(W.shape):
        step = np.zeros_like(W)
        step[place] = 1e-6
        assert host(link.W.grad)[place] == pytest.approx((loss(W + step) - loss(W - step)) / 2e-6, abs=1e-6)


def test_weight_standardization_mistakes(array: Array) -> None:
    with pytest.raises(NotImplementedError, match="add_hook"), WeightStandardization():
        pass
    with pytest.raises(ValueError, match="Linear has no parameter 'V'"):
        L.Linear(3, 2).add_hook(WeightStandardization(weight_name="V"))
    with pytest.raises(TypeError, match="positional"):
        WeightStandardization(1e-4)  # type: ignore[misc]
    with pytest.raises(ValueError, match="expected two axes"):
        Affine(array(random(3))).add_hook(WeightStandardization())(Variable(array(random(2, 3))))


def test_a_normalized_convolution_in_mlpconv_is_not_fused() -> None:
    block = L.MLPConvolution2D(3, (4, 2), 3)
    x = np.asarray(random(1, 3, 5, 5), "f")
    block[0].add_hook(WeightStandardization())
    W, b = block[0].W.array, block[0].b.array
    standard = (W - W.mean((1, 2, 3), keepdims=True)) / np.sqrt(W.var((1, 2, 3), keepdims=True) + 1e-5)
    expected = F.convolution_2d(F.relu(F.convolution_2d(x, standard, b)), block[1].W, block[1].b)
    np.testing.assert_allclose(block(x).array, expected.array, rtol=1e-4, atol=1e-5)


# Time.


def test_time_is_by_class_and_only_the_outermost_call_is_in_the_total() -> None:
    model = kusari.Sequential(L.Linear(3, 4), F.relu, L.Linear(4, 2))
    with TimerHook() as hook, no_backprop_mode():
        for _ in range(2):
            model(np.ones((1, 3), "f"))
    summary = hook.summary()
    assert {name: record["occurrence"] for name, record in summary.items()} == {"Linear": 4, "Sequential": 2}
    assert [name for name, _ in hook.call_history] == ["Linear", "Linear", "Sequential"] * 2
    assert hook.total_time() == pytest.approx(summary["Sequential"]["elapsed_time"])
    assert summary["Linear"]["elapsed_time"] < hook.total_time()


def test_a_failed_call_is_not_counted_and_leaves_nothing_open() -> None:
    hook = TimerHook()
    with hook:
        with pytest.raises(ZeroDivisionError):
            Chain(a=Broken()).a(np.ones((1, 3), "f"))
        L.Linear(3, 2)(np.ones((1, 3), "f"))
    assert [name for name, _ in hook.call_history] == ["Linear"]
    assert hook.total_time() == hook.call_history[0][1]


@pytest.mark.parametrize("unit", ["auto", "auto_foreach", "sec", "ms", "us", "ns"])
def test_a_report_is_a_table(unit: str) -> None:
    hook, out = TimerHook(), io.StringIO()
    with hook:
        L.Linear(3, 2)(np.ones((1, 3), "f"))
    hook.print_report(unit, out)
    title, row = [line.split() for line in out.getvalue().splitlines()]
    assert title == ["LinkName", "ElapsedTime", "Occurrence"]
    assert (row[0], row[2]) == ("Linear", "1")
    scale = {"sec": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}
    written = row[1].lstrip("0123456789.")
    assert unit.startswith("auto") or written == unit
    shown = float(row[1].removesuffix(written))
    assert math.isclose(shown, hook.total_time() * scale[written], abs_tol=0.005001)


def test_report_mistakes() -> None:
    with pytest.raises(ValueError, match="nothing was timed"):
        TimerHook().print_report()
    with pytest.raises(ValueError, match="expected sec, ms, us, ns, auto"):
        TimerHook().print_report(unit="hours")


def test_a_timer_may_leave_fused_links_fused() -> None:
    block, x = L.MLPConvolution2D(3, (4, 2), 3), np.ones((1, 3, 5, 5), "f")
    for observes, expected in ((True, ["Convolution2D", "Convolution2D"]), (False, [])):
        with TimerHook(observes_children=observes) as hook:
            block(x)
        assert [name for name, _ in hook.call_history] == [*expected, "MLPConvolution2D"]


def test_hooks_are_copied_with_their_link() -> None:
    link = L.Linear(3, 2).add_hook(SpectralNormalization(factor=2.0, name="mine"))
    twin = copy.deepcopy(link)
    assert twin.local_link_hooks["mine"] is not link.local_link_hooks["mine"]
    x = np.ones((1, 3), "f")
    np.testing.assert_array_equal(twin(x).array, link(x).array)
