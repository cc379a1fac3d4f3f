"""Loss scaling: gradients come out unscaled, and what overflows is not used, without waiting for the device."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from kusari import optimizers
from kusari.autograd import Variable
from kusari.autograd.parameter import Parameter
from kusari.backend import Backend
from kusari.configuration import using_config
from kusari.errors import SynchronizationError
from kusari.model import Link
from kusari.optimizer_hooks import GradientClipping
from kusari.serializers import load_npz, save_npz


def linear_model(values: Any) -> Link:
    link = Link()
    with link.init_scope():
        link.W = Parameter(values)
    return link


def loss_of(link: Link, factor: float = 1.0) -> Variable:
    loss: Variable = (link.W * link.W * factor).sum()
    return loss


@pytest.mark.parametrize("scale", [16.0, 0.5])
def test_a_fixed_scale_is_taken_out_before_hooks_and_rules(scale: float, array: Any, host: Any) -> None:
    link = linear_model(array([1.0, 2.0]))
    optimizer = optimizers.SGD(lr=0.25).setup(link)
    optimizer.set_loss_scale(scale)
    seen: list[Any] = []
    optimizer.add_hook(lambda opt: seen.append(host(link.W.grad)), name="look")
    link.cleargrads()
    loss_of(link).backward(loss_scale=scale)
    np.testing.assert_array_equal(host(link.W.grad), scale * np.asarray([2.0, 4.0]))
    optimizer.update()
    np.testing.assert_array_equal(seen[0], [2, 4])
    optimizer.update(loss_of, link)
    np.testing.assert_array_equal(host(link.W), [0.25, 0.5])
    optimizer.set_loss_scale(None)
    optimizer.update(loss_of, link)
    np.testing.assert_array_equal(host(link.W), [0.125, 0.25])
    assert optimizer.is_safe_to_update()


def test_scaling_saves_gradients_that_float16_cannot_hold() -> None:
    for scale, expected in ((None, 0.0), (1024.0, 1e-8)):
        link = linear_model(np.ones(1, "e"))
        optimizer = optimizers.SGD(lr=1.0).setup(link)
        optimizer.use_fp32_update()
        optimizer.set_loss_scale(scale)
        seen: list[Any] = []
        link.W.update_rule.add_hook(lambda rule, param, seen=seen: seen.append(param.grad.item()), name="look")
        factor = np.asarray(1e-4, "e")
        optimizer.update(lambda link=link, factor=factor: (link.W * factor * factor).sum())
        assert seen == [pytest.approx(expected, rel=0.05)]


SEQUENCE = [  # the gradient's factor, the scale afterwards with interval 2, whether it was used
    (1.0, 2.0, True),
    (1.0, 4.0, True),
    (np.nan, 2.0, False),
    (np.nan, 1.0, False),
    (1.0, 2**0.5, True),
    (np.inf, 1.0, False),
    (1.0, 2**0.5, True),
]


@pytest.mark.parametrize("kind", [optimizers.SGD, optimizers.Adam, optimizers.SMORMS3])
def test_a_dynamic_scale_follows_what_overflows(kind: Any, array: Any, host: Any) -> None:
    link = linear_model(array([1.0, 2.0]))
    optimizer = kind(0.01).setup(link)
    optimizer.loss_scaling(interval=2)
    for factor, scale, used in SEQUENCE:
        before = host(link.W), {name: host(a) for name, a in (link.W.update_rule.state or {}).items()}
        optimizer.update(loss_of, link, factor)
        assert optimizer.is_safe_to_update() is used
        np.testing.assert_allclose(host(optimizer._dynamic.scale), scale, rtol=1e-6)
        assert np.array_equal(host(link.W), before[0]) is not used
        if not used:
            for name, old in before[1].items():
                np.testing.assert_array_equal(host(link.W.update_rule.state[name]), old)
    assert optimizer.t == len(SEQUENCE)


def test_a_dynamic_scale_does_not_change_the_steps(array: Any, host: Any) -> None:
    ends = []
    for scaled in (False, True):
        link = linear_model(array([1.0, 2.0]))
        optimizer = optimizers.Adam(0.1).setup(link)
        if scaled:
            optimizer.loss_scaling()
        for _ in range(5):
            optimizer.update(loss_of, link)
        ends.append(host(link.W))
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-12)


def test_the_float32_copy_is_kept_too_when_a_gradient_overflows() -> None:
    link = linear_model(np.ones(1, "e"))
    optimizer = optimizers.SGD(lr=1.0).setup(link)
    optimizer.use_fp32_update()
    optimizer.loss_scaling()
    small = np.asarray(1e-4, "e")
    for factor in (small, np.asarray(np.inf, "e"), small):
        optimizer.update(lambda factor=factor: (link.W * factor).sum())
    copy = link.W.update_rule._master
    assert copy.array.dtype == np.float32
    np.testing.assert_allclose(copy.array, 1 - 2 * float(small), rtol=1e-7)


def test_gradients_that_came_by_themselves_are_not_divided_by_a_dynamic_scale(array: Any, host: Any) -> None:
    link = linear_model(array([1.0]))
    optimizer = optimizers.SGD(lr=0.25).setup(link)
    optimizer.loss_scaling()
    for _ in range(3):
        optimizer.update(loss_of, link, 0.0)
    link.W.grad = array([2.0])
    optimizer.update()
    np.testing.assert_array_equal(host(link.W), [0.5])


def test_a_dynamic_scale_is_saved(array: Any, host: Any) -> None:
    file = io.BytesIO()
    link = linear_model(array([1.0]))
    optimizer = optimizers.SGD().setup(link)
    optimizer.loss_scaling(interval=2)
    for factor in (1.0, 1.0, np.nan, 1.0):
        optimizer.update(loss_of, link, factor)
    save_npz(file, optimizer)
    twin = optimizers.SGD().setup(linear_model(array([1.0])))
    twin.loss_scaling(interval=2)
    load_npz(file, twin)
    for each in (optimizer, twin):
        each.update(loss_of, each.target, 1.0)
    np.testing.assert_array_equal(host(twin._dynamic.scale), host(optimizer._dynamic.scale))

    old = optimizers.SGD().setup(linear_model(array([1.0])))  # a file of an optimizer without a dynamic scale
    save_npz(file := io.BytesIO(), old)
    load_npz(file, twin)
    assert twin.t == 0


def test_a_model_on_several_devices(strict: Backend) -> None:
    ends = []
    for devices in ((0, 0), (0, 1)):
        link = Link()
        with link.init_scope():
            for name, index in zip("ab", devices, strict=True):
                setattr(link, name, Parameter(strict.from_host(np.asarray([1.0, 2.0]), index)))
        optimizer = optimizers.Adam(0.1).setup(link)
        optimizer.loss_scaling()
        optimizer.add_hook(GradientClipping(0.5))
        for step in range(3):
            link.cleargrads()
            for param in (link.a, link.b):
                param.grad = param.array * (np.nan if step == 1 and param is link.b else 3.0)
            optimizer.update()
        ends.append([strict.to_host(param.array) for param in link.params()])
        assert [strict.index_of(param.array) for param in link.params()] == list(devices)
    np.testing.assert_array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[0][0], [1, 2])


def test_asking_whether_it_was_safe_is_a_synchronization(backend: Backend, array: Any) -> None:
    link = linear_model(array([1.0]))
    optimizer = optimizers.SGD().setup(link)
    optimizer.loss_scaling()
    with using_config("forbid_synchronization", True):
        optimizer.update(loss_of, link)
        with pytest.raises(SynchronizationError):
            optimizer.is_safe_to_update()


def test_numbers_that_make_no_sense_are_refused() -> None:
    optimizer = optimizers.SGD()
    for scale in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="expected a positive number"):
            optimizer.set_loss_scale(scale)
    with pytest.raises(ValueError, match="expected at least 1"):
        optimizer.loss_scaling(interval=0)
