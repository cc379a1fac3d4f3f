"""forget: the same numbers as without it, twice computed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari.autograd import Variable, grad, no_backprop_mode
from kusari.backend import Backend, random_source, seed, use_backend
from kusari.configuration import config, using_config
from kusari.functions import dropout, sigmoid, tanh
from kusari.functions.connection.linear import linear
from kusari.functions.util.forget import Forget, forget
from kusari.gradient_check import check_backward, check_double_backward

Array = Callable[..., Any]
Host = Callable[[Any], np.ndarray[Any, Any]]


def draw(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def block(x: Variable, y: Variable) -> tuple[Variable, Variable]:
    z = tanh(x) * sigmoid(y)
    return z * z, x + y


def test_first_and_second_gradients(array: Array) -> None:
    inputs = (array(draw((2, 3))), array(draw((3, 2)).T))
    gradients = tuple(array(draw((n, 6))[:2, :3]) for n in (2, 3))

    def function(x: Any, y: Any) -> Any:
        return forget(block, x, y)

    check_backward(function, inputs, gradients, eps=1e-5)
    check_double_backward(function, inputs, gradients, gradients, eps=1e-5)


def test_arguments_that_depend_on_each_other(array: Array, host: Host) -> None:
    found = []
    for call in (block, lambda *xs: forget(block, *xs)):
        x = Variable(array(draw((2, 3))))
        h = tanh(x)
        first, second = call(h, h * x)
        (first.sum() + second.sum()).backward()
        found.append(host(x.grad))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-14)


def test_parameters_that_it_reads_get_their_gradients(array: Array, host: Host) -> None:
    found = []
    for call in (lambda f, x: f(x), forget):
        W = Variable(array(draw((4, 3))))
        # The arguments ask for no gradient: the parameters inside do.
        for x in (array(draw((2, 3))), Variable(array(draw((2, 3))), requires_grad=False)):
            call(lambda x, W=W: tanh(linear(x, W)), x).sum().backward()
        found.append(host(W.grad))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-14)


def test_grad_leaves_the_gradients_of_parameters_alone(array: Array, host: Host) -> None:
    W, x, z = (Variable(array(np.full((2, 2), value))) for value in (3.0, 2.0, 1.0))

    def nested(x: Variable) -> Variable:
        return forget(lambda x: x * W, x) * W

    for func in (lambda x: x * W, nested):
        expected = host(grad([func(x)], [x])[0].array)
        y = forget(func, x).sum() + (z * 2).sum()
        (gx,) = grad([y], [x])
        np.testing.assert_array_equal(host(gx.array), expected)
        (gz,) = grad([y], [z])
        np.testing.assert_array_equal(host(gz.array), np.full((2, 2), 2.0))
        assert W.grad is None
    forget(nested, x).sum().backward()
    np.testing.assert_array_equal(host(W.grad), np.full((2, 2), 12.0))  # d(xW²)/dW = 2xW


def test_second_gradients_reach_parameters(array: Array, host: Host) -> None:
    found = []
    for call in (lambda f, x: f(x), forget):
        x, W = Variable(array(draw((2, 3)))), Variable(array(draw((4, 3))))
        y = call(lambda x, W=W: tanh(linear(x, W)), x)
        (gx,) = grad([y], [x], [Variable(array(np.ones((2, 4))))], enable_double_backprop=True)
        assert gx is not None
        W.cleargrad()
        (gx * gx).sum().backward()
        found.append(host(W.grad))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-13)


def test_only_arguments_and_results_are_held(array: Array) -> None:
    inner: list[weakref.ref[Any]] = []

    def function(x: Variable) -> Variable:
        h = tanh(x)
        inner.append(weakref.ref(h))
        return tanh(h)

    x = Variable(array(draw((2, 3))))
    y = function(x)
    assert y.creator_node is not None
    held = y.creator_node.inputs[0].creator_node
    assert held is not None
    assert held._kept_output_arrays, "without forget, tanh keeps its output: else this test tells nothing"
    y = forget(function, x)
    assert inner[1]() is None
    assert type(y.creator_node) is Forget
    assert y.creator_node.inputs == (x.node,)


def test_recomputation_draws_the_same_numbers(array: Array, host: Host) -> None:
    seed(5)
    x = Variable(array(np.ones((5, 8))))
    masks: list[Any] = []

    def noisy(x: Variable) -> Variable:
        y, mask = dropout(x * x, return_mask=True)
        masks.append(mask)
        return y

    y = forget(noisy, x)
    between = dropout(array(np.ones((4, 4))))
    y.grad = array(np.ones((5, 8)))
    y.backward()
    after = dropout(array(np.ones((4, 4))))
    np.testing.assert_array_equal(host(masks[1]), host(masks[0]))
    np.testing.assert_array_equal(host(x.grad), 2 * host(masks[0]))

    seed(5)  # without forget: the stream goes on as if nothing had been drawn twice
    noisy(x)
    np.testing.assert_array_equal(host(dropout(array(np.ones((4, 4))))), host(between))
    np.testing.assert_array_equal(host(dropout(array(np.ones((4, 4))))), host(after))


def test_a_stream_opened_within_is_replayed(backend: Backend) -> None:
    own = Backend("opened-within", backend.xp, base=backend)
    seed(5)
    drawn: list[Any] = []

    def noisy(x: Variable) -> Variable:
        with use_backend(own):
            drawn.append(backend.to_host(random_source(own).uniform((3,), "float64")))
        return x * 2

    y = forget(noisy, Variable(backend.from_host(np.ones(3))))
    y.sum().backward()
    next_one = backend.to_host(random_source(own).uniform((3,), "float64"))
    backend._above.remove(own)
    np.testing.assert_array_equal(drawn[1], drawn[0])
    assert np.all(next_one != drawn[0])


def test_configuration_is_that_of_forward(array: Array) -> None:
    seen: list[tuple[bool, bool, bool, bool]] = []

    def look(x: Variable) -> Variable:
        seen.append((config.train, config.enable_backprop, config.in_recomputing, config._will_recompute))
        return x * x

    x = Variable(array([1.0]))
    with using_config("train", False):
        y = forget(look, x)
    y.grad = array([1.0])
    y.backward()
    assert seen == [(False, False, False, True), (False, True, True, False)]
    assert (config.train, config.in_recomputing, config._will_recompute) == (True, False, False)


def test_kernels_are_those_of_forward(backend: Backend) -> None:
    own = Backend("used-in-forward", backend.xp, base=backend)
    seen: list[str] = []

    def look(x: Variable) -> Variable:
        y = x * x
        seen.append(y.device.backend.name)
        return y

    x = Variable(backend.from_host(np.ones(2)))
    with use_backend(own):
        y = forget(look, x).sum()
    y.backward()
    backend._above.remove(own)
    assert seen == ["used-in-forward"] * 2


def test_without_a_graph_it_is_run_once(array: Array) -> None:
    calls: list[int] = []

    def count(x: Variable) -> Variable:
        calls.append(1)
        return x * 2

    with no_backprop_mode():
        y = forget(count, Variable(array([1.0])))
    assert y.creator_node is None
    y.backward()
    assert calls == [1]


def test_unused_outputs_and_constants(array: Array, host: Host) -> None:
    x = Variable(array([1.0, 2.0]))
    first, _, third = forget(lambda x: (x * 3, x * 5, Variable(x.array, requires_grad=False)), x)
    (first.sum() + third.sum()).backward()
    assert host(x.grad).tolist() == [3, 3]


def test_an_argument_returned_as_it_is(array: Array, host: Host) -> None:
    x = Variable(array([1.0, 2.0]))
    y, z = forget(lambda x: (x, x), x)
    (y * 2 + z).sum().backward()
    assert host(x.grad).tolist() == [3, 3]


def test_tuples_stay_tuples(array: Array) -> None:
    x = Variable(array([1.0]))
    assert isinstance(forget(lambda x: (x * 2,), x), tuple)
    assert isinstance(forget(lambda x: x * 2, x), Variable)
    assert forget(lambda: x) is x


@pytest.mark.parametrize("returned", [1, [1], None, "y"])
def test_anything_but_variables_is_refused(array: Array, returned: Any) -> None:
    x = Variable(array([1.0]))
    with pytest.raises(RuntimeError, match=f"returned {type(returned).__name__}; expected a Variable"):
        forget(lambda x: returned, x)
    with pytest.raises(RuntimeError, match="in place 1"):
        forget(lambda x: (x, returned), x)
    with pytest.raises(TypeError):
        forget(lambda x: x, 3)
