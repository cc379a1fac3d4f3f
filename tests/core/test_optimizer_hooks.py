"""Optimizer hooks: what each does to gradients, against its formula, and that none waits for the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kusari import optimizer, optimizer_hooks, optimizers
from kusari.autograd.parameter import Parameter
from kusari.backend import Backend, Device, seed
from kusari.model import Link

VALUES = {"a": [0.1, -2.0, 3.0, -0.4], "b": [[1.0, 0.0], [3.0, -4.0]], "c": 0.7}
GRADIENTS = {"a": [0.5, 1.5, -2.5, 0.0], "b": [[0.25, -1.0], [0.0, 4.0]], "c": -0.5}


def run(hook: Any, backend: Backend, dtype: str = "float64", gradients: Any = None) -> dict[str, np.ndarray[Any, Any]]:
    """Return the gradients after one update with the hook."""
    link = Link()
    with link.init_scope():
        for name, value in VALUES.items():
            setattr(link, name, Parameter(backend.from_host(np.asarray(value, dtype))))
    sgd = optimizers.SGD().setup(link)
    sgd.add_hook(hook)
    for name, gradient in (gradients or GRADIENTS).items():
        getattr(link, name).grad = backend.from_host(np.asarray(gradient, dtype))
    sgd.update()
    assert all(str(backend.host_dtype(param.grad.dtype)) == dtype for param in link.params())
    return {name: backend.to_host(getattr(link, name).grad) for name in VALUES}


def check(found: dict[str, Any], expected: dict[str, Any], rtol: float = 1e-12) -> None:
    for name in VALUES:
        np.testing.assert_allclose(found[name], expected[name], rtol=rtol, err_msg=name)


def arrays() -> list[tuple[str, Any, Any]]:
    return [(name, np.asarray(VALUES[name]), np.asarray(GRADIENTS[name])) for name in VALUES]


def test_weight_decay(backend: Backend) -> None:
    check(run(optimizer_hooks.WeightDecay(0.3), backend), {name: g + 0.3 * p for name, p, g in arrays()})


def test_lasso(backend: Backend) -> None:
    check(run(optimizer_hooks.Lasso(0.3), backend), {name: g + 0.3 * np.sign(p) for name, p, g in arrays()})


def test_hard_clipping(backend: Backend) -> None:
    check(
        run(optimizer_hooks.GradientHardClipping(-1, 0.25), backend), {n: np.clip(g, -1, 0.25) for n, _, g in arrays()}
    )


@pytest.mark.parametrize("threshold", [0.1, 1.0, 1e3])
def test_clipping(backend: Backend, threshold: float) -> None:
    norm = np.sqrt(sum((g**2).sum() for _, _, g in arrays()))
    rate = min(1.0, threshold / norm)
    check(run(optimizer_hooks.GradientClipping(threshold), backend), {name: g * rate for name, _, g in arrays()})


def test_clipping_leaves_zeros_and_shows_what_is_not_finite(backend: Backend) -> None:
    zeros = {name: np.zeros_like(g) for name, _, g in arrays()}
    check(run(optimizer_hooks.GradientClipping(1.0), backend, gradients=zeros), zeros)
    bad = {"a": [np.nan, 1, 1, 1], "b": GRADIENTS["b"], "c": 0.5}
    assert np.isnan(run(optimizer_hooks.GradientClipping(1.0), backend, gradients=bad)["b"]).all()
    with pytest.raises(ValueError, match=r"GradientClipping\(0\): expected a positive threshold"):
        optimizer_hooks.GradientClipping(0)


def test_clipping_adds_squares_beyond_float16() -> None:
    from kusari.backend import get_backend

    large = {"a": [300, 400, 0, 0], "b": [[0, 0], [0, 1200]], "c": 0}  # squares overflow: the norm is 1300
    found = run(optimizer_hooks.GradientClipping(1.3), get_backend("numpy"), "float16", large)
    check(found, {"a": [0.3, 0.4, 0, 0], "b": [[0, 0], [0, 1.2]], "c": 0}, rtol=2e-3)


@given(st.lists(st.floats(-100, 100), min_size=4, max_size=4), st.floats(1e-3, 1e3))
def test_clipped_gradients_have_at_most_the_threshold_for_norm(values: list[float], threshold: float) -> None:
    from kusari.backend import get_backend

    gradients = {"a": values, "b": np.zeros((2, 2)), "c": 0}
    found = run(optimizer_hooks.GradientClipping(threshold), get_backend("numpy"), gradients=gradients)
    norm = np.linalg.norm(values)
    assert np.linalg.norm(found["a"]) <= threshold * (1 + 1e-12)
    if norm <= threshold:
        np.testing.assert_array_equal(found["a"], values)


@pytest.mark.parametrize(("threshold", "decay", "eps"), [(0.01, 0.0, 1e-9), (4.0, 0.2, 0.1)])
def test_lars(backend: Backend, threshold: float, decay: float, eps: float) -> None:
    expected = {}
    for name, p, g in arrays():
        p_norm, g_norm = np.linalg.norm(p), np.linalg.norm(g)
        rate = p_norm / (eps + g_norm + decay * p_norm) if p_norm > threshold else 1
        expected[name] = rate * (g + decay * p)
    check(run(optimizer_hooks.GradientLARS(threshold, decay, eps), backend), expected)
    assert threshold < 1 or np.linalg.norm(VALUES["a"]) < threshold < np.linalg.norm(np.ravel(VALUES["b"]))


def test_noise_has_the_variance_of_the_schedule(backend: Backend) -> None:
    seed(0)
    param = Parameter(backend.from_host(np.zeros(10_000)))
    link = Link()
    with link.init_scope():
        link.W = param
    sgd = optimizers.SGD().setup(link)
    sgd.add_hook(optimizer_hooks.GradientNoise(0.3))
    for t in range(3):
        param.grad = backend.from_host(np.ones(10_000))
        sgd.update()
        noise = backend.to_host(param.grad) - 1
        # The standard error of 10,000 draws is 0.7 % of the deviation, 1 % of it for the mean.
        assert noise.std() == pytest.approx(np.sqrt(0.3 / (1 + t) ** 0.55), rel=0.04)
        assert abs(noise.mean()) < 0.04


def test_noise_of_the_user_s(backend: Backend) -> None:
    seen = []

    def noise(xp: Any, shape: Any, dtype: Any, hook: Any, rule: Any) -> Any:
        seen.append((xp, shape, hook.eta, rule.t, hook.device))
        return np.full(shape, 2.0)  # on the host: it is brought over

    found = run(optimizer_hooks.GradientNoise(0.5, noise), backend)
    check(found, {name: g + 2 for name, _, g in arrays()})
    assert seen == [(backend.xp, shape, 0.5, 0, Device(backend)) for shape in [(4,), (2, 2), ()]]


EVERY = [
    optimizer_hooks.WeightDecay(0.1),
    optimizer_hooks.Lasso(0.1),
    optimizer_hooks.GradientClipping(1.0),
    optimizer_hooks.GradientHardClipping(-1, 1),
    optimizer_hooks.GradientLARS(),
    optimizer_hooks.GradientNoise(0.1),
]


@pytest.mark.parametrize("hook", EVERY, ids=lambda hook: hook.name)
def test_a_gradient_that_others_share_is_not_written(hook: Any, backend: Backend) -> None:
    param, gradient = Parameter(backend.from_host(np.ones(2))), backend.from_host(np.full(2, 7.0))
    link = Link()
    with link.init_scope():
        link.W = param
    sgd = optimizers.SGD().setup(link)
    sgd.add_hook(hook)
    param.grad = gradient
    sgd.update()
    np.testing.assert_array_equal(backend.to_host(gradient), [7, 7])


@pytest.mark.parametrize("hook", EVERY, ids=lambda hook: hook.name)
def test_hooks_of_a_rule_and_parameters_without_data(hook: Any, backend: Backend) -> None:
    link = Link()
    with link.init_scope():
        link.W = Parameter(0.0)
        link.V = Parameter(backend.from_host(np.ones(2)))
    sgd = optimizers.SGD().setup(link)
    sgd.add_hook(hook)
    link.cleargrads()
    sgd.update()
    assert link.W.array is None
    if getattr(hook, "call_for_each_param", False):
        link.V.update_rule.add_hook(hook)
        sgd.update()


@pytest.mark.parametrize("hook", EVERY, ids=lambda hook: hook.name)
@pytest.mark.parametrize("kind", [optimizers.Adam, optimizers.SMORMS3, optimizers.MSVAG])
def test_no_update_reads_a_value_on_the_host(hook: Any, kind: Any, strict: Backend, monkeypatch: Any) -> None:
    def read(*_: Any) -> Any:
        raise AssertionError("a value on the device was read")

    link = Link()
    with link.init_scope():
        link.W = Parameter(strict.from_host(np.ones(2)))
    rule = kind().setup(link)
    rule.loss_scaling()
    rule.add_hook(hook)
    for conversion in ("__bool__", "__float__", "__int__", "__index__", "__complex__"):
        monkeypatch.setattr(strict.array_types[0], conversion, read)
    rule.update((link.W * 2.0).sum)
    monkeypatch.undo()
    assert not np.array_equal(strict.to_host(link.W.array), [1, 1])


def test_older_names_of_the_hooks() -> None:
    for name in ("WeightDecay", "Lasso", "GradientClipping", "GradientHardClipping", "GradientNoise"):
        assert getattr(optimizer, name) is getattr(optimizer_hooks, name)
