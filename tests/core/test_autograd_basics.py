"""Backpropagation: where gradients go, how they add up, when they can be differentiated, and what is released."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari.autograd import (
    FunctionHook,
    FunctionNode,
    Variable,
    VariableNode,
    backward,
    force_backprop_mode,
    grad,
    no_backprop_mode,
)

Array = Callable[..., Any]
Make = Callable[..., Variable]
Host = Callable[[Any], np.ndarray[Any, Any]]


# Where gradients go. ------------------------------------------------------------------------------------------------
def test_gradients_reach_the_leaves_and_only_them(variable: Make, host: Host) -> None:
    x = variable([1.0, 2.0])
    y = x * x
    z = (y + x).sum()
    z.backward()
    np.testing.assert_array_equal(host(x.grad), [3, 5])
    assert y.grad is None
    assert z.grad is None


def test_retain_grad_leaves_them_between_too(variable: Make, host: Host) -> None:
    x = variable([1.0, 2.0])
    y = x * x
    z = y * 3 + y * y
    z.sum().backward(retain_grad=True)
    np.testing.assert_array_equal(host(y.grad), [5, 11])  # 3 + 2y: both uses
    np.testing.assert_array_equal(host(z.grad), [1, 1])


def test_gradients_accumulate_over_calls_and_uses(variable: Make, host: Host) -> None:
    x = variable([1.0, 2.0])
    for count in (1, 2, 3):
        (x * x + x + x).sum().backward()
        np.testing.assert_array_equal(host(x.grad), count * np.asarray([4.0, 6.0]))
    x.cleargrad()
    assert x.grad is None


def test_accumulation_does_not_change_arrays_that_others_hold(variable: Make, host: Host) -> None:
    x, y = variable([1.0]), variable([1.0])
    (x + y).sum().backward()  # one gradient, given to both
    kept = x.grad
    (x + x + x + x).sum().backward()
    np.testing.assert_array_equal(host(kept), [1])
    np.testing.assert_array_equal(host(y.grad), [1])
    np.testing.assert_array_equal(host(x.grad), [5])


def test_a_long_chain_needs_no_recursion(variable: Make, host: Host) -> None:
    x = variable(1.0)
    y = x
    for _ in range(5000):
        y = y + 1
    y.backward()
    assert host(x.grad) == 1
    del y  # nor does releasing it


def test_each_function_runs_backward_once(variable: Make, host: Host) -> None:
    calls = []

    class Twice(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            return (inputs[0] * 2,)

        def backward(self, indexes: Any, grad_outputs: Any) -> Any:
            calls.append(host(grad_outputs[0]).tolist())
            return (grad_outputs[0] * 2,)

    x = variable([1.0])
    (y,) = Twice().apply((x,))
    z = y * y  # y used twice, and once more through a longer path
    (z * z + y).sum().backward()
    assert calls == [[4 * 8 + 1]]
    np.testing.assert_array_equal(host(x.grad), [66])


def test_several_outputs_and_some_without_a_gradient(variable: Make, host: Host) -> None:
    class Split(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            return inputs[0] * 1, inputs[0] * 2, inputs[0] * 3

        def backward(self, indexes: Any, grad_outputs: Any) -> Any:
            seen.append([g is None for g in grad_outputs])
            terms = [g * (i + 1) for i, g in enumerate(grad_outputs) if g is not None]
            return (sum(terms[1:], terms[0]),)

    seen: list[list[bool]] = []
    x = variable([1.0])
    a, _, c = Split().apply((x,))
    (a + c).sum().backward()
    assert seen == [[False, True, False]]
    np.testing.assert_array_equal(host(x.grad), [4])


def test_inputs_that_want_none_are_not_asked_for(array: Array, variable: Make, host: Host) -> None:
    asked = []

    class Product(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            self.retain_inputs((0, 1))
            return (inputs[0] * inputs[1],)

        def backward(self, indexes: Any, grad_outputs: Any) -> Any:
            asked.append(indexes)
            x, y = self.get_retained_inputs()
            return tuple(grad_outputs[0] * (x if index else y) for index in indexes)

    x, y = variable([2.0]), variable([3.0], requires_grad=False)
    (z,) = Product().apply((x, y))
    z.sum().backward()
    (z,) = Product().apply((array([5.0]), x))
    z.sum().backward()
    assert asked == [(0,), (1,)]
    assert y.grad is None
    np.testing.assert_array_equal(host(x.grad), [8])


def test_a_gradient_per_input_or_per_index_or_none(array: Array, variable: Make, host: Host) -> None:
    class First(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            return (inputs[0] + inputs[1],)

        def backward(self, indexes: Any, grad_outputs: Any) -> Any:
            return grad_outputs[0] * 7, None  # one for each input, whatever was asked

    x, y = variable([1.0]), variable([1.0])
    First().apply((x, y))[0].sum().backward()
    First().apply((x, array([1.0])))[0].sum().backward()
    np.testing.assert_array_equal(host(x.grad), [14])
    assert y.grad is None


def test_backward_from_several_outputs(variable: Make, host: Host) -> None:
    x = variable([1.0, 2.0])
    y, z = x * x, x * 3
    backward([y, z], [variable([1.0, 10.0]), variable([1.0, 1.0])])
    np.testing.assert_array_equal(host(x.grad), [5, 43])
    with pytest.raises(ValueError, match="2 outputs and 1 gradients: expected one for each"):
        backward([y, z], [None])


def test_an_output_that_is_an_ancestor_of_another(variable: Make, host: Host) -> None:
    x = variable([2.0])
    y = x * x
    z = y * y
    backward([y, z], [variable([1.0]), variable([1.0])])
    np.testing.assert_array_equal(host(x.grad), [2 * 2 + 4 * 8])  # dy/dx + dx⁴/dx


def test_the_gradient_to_start_from(array: Array, variable: Make, host: Host) -> None:
    x = variable([1.0, 2.0])
    y = x * x
    y.grad = array([1.0, 10.0])
    y.backward()
    np.testing.assert_array_equal(host(x.grad), [2, 40])

    x.cleargrad()
    (x * x).sum().backward(loss_scale=8.0)
    np.testing.assert_array_equal(host(x.grad), [16, 32])

    one = x.sum(keepdims=True)
    with pytest.warns(DeprecationWarning, match=r"reduce it to a 0-d loss, for example with F\.sum\(y\)"):
        one.backward()


def test_the_gradient_that_backward_started_from_does_not_stay(variable: Make, host: Host) -> None:
    """As in the original: the next backward() of a loss starts from 1 again, not from what was once set."""
    x = variable(1.0)
    y = x * 2
    y.grad = y.xp.full_like(y.array, 3)
    y.backward()
    assert (y.grad, host(x.grad)) == (None, 6)
    y.backward()
    assert (y.grad, host(x.grad)) == (None, 8)
    y.backward(retain_grad=True)
    assert (host(y.grad), host(x.grad)) == (1, 10)
    y.cleargrad()
    y.backward(enable_double_backprop=True)
    assert y.grad is None
    backward([y, x * x])
    assert (y.grad, host(x.grad)) == (None, 16)


def test_a_leaf_has_nothing_to_send_back(variable: Make, host: Host) -> None:
    x = variable(1.0)
    x.backward()
    assert host(x.grad) == 1  # dx/dx
    no_graph = (variable([1.0], requires_grad=False) * 2).sum()
    no_graph.backward()
    assert no_graph.creator_node is None
    assert no_graph.grad is None


# Derivatives of derivatives. ----------------------------------------------------------------------------------------
def test_double_backprop_through_backward(variable: Make, host: Host) -> None:
    x = variable([2.0, 3.0])
    (x**3).sum().backward(enable_double_backprop=True)
    gradient = x.grad_var
    assert gradient is not None
    np.testing.assert_allclose(host(gradient), [12, 27])
    x.cleargrad()
    gradient.sum().backward()
    np.testing.assert_allclose(host(x.grad), [12, 18])  # 6x


def test_without_it_gradients_have_no_graph(variable: Make) -> None:
    x = variable([2.0])
    (x * x).sum().backward()
    assert x.grad_var is not None
    assert x.grad_var.creator_node is None
    assert not x.grad_var.requires_grad


def test_third_derivative(variable: Make, host: Host) -> None:
    x = variable(2.0)
    y: Variable | None = x**4
    for expected in (4 * 8, 12 * 4, 24 * 2):
        assert y is not None
        (y,) = grad([y], [x], enable_double_backprop=True)
        np.testing.assert_allclose(host(y), expected)


def test_outputs_retained_for_backward_can_be_differentiated(variable: Make, host: Host) -> None:
    x = variable([0.5, 1.5])
    y = 2.0**x  # keeps its output
    del_first = y.sum()
    del y  # nobody else holds it
    (g,) = grad([del_first], [x], enable_double_backprop=True)
    (gg,) = grad([g.sum()], [x])  # type: ignore[union-attr]
    np.testing.assert_allclose(host(gg), np.log(2) ** 2 * 2.0 ** np.asarray([0.5, 1.5]))


# grad(). ------------------------------------------------------------------------------------------------------------
def test_grad_touches_nothing(array: Array, variable: Make, host: Host) -> None:
    x = variable([1.0, 2.0])
    x.grad = array([7.0, 7.0])
    y = x * x
    (gx,) = grad([y], [x])
    np.testing.assert_array_equal(host(gx), [2, 4])  # a gradient of ones is assumed
    np.testing.assert_array_equal(host(x.grad), [7, 7])
    assert y.grad is None


def test_grad_of_inputs_that_depend_on_one_another(variable: Make, host: Host) -> None:
    x = variable([3.0])
    y = x * x
    z = y * x  # x³
    gx, gy, gz = grad([z], [x, y, z])
    np.testing.assert_array_equal(host(gy), [3])  # y's own: x
    np.testing.assert_array_equal(host(gx), [27])  # the whole: 3x²
    np.testing.assert_array_equal(host(gz), [1])


def test_grad_of_what_nothing_depends_on(variable: Make) -> None:
    x, other = variable([3.0]), variable([3.0])
    assert grad([x * 2], [other]) == [None]


def test_grad_runs_only_what_leads_to_an_input(variable: Make) -> None:
    class Untouched(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            return (inputs[0] * 1,)

        def backward(self, indexes: Any, grad_outputs: Any) -> Any:
            raise AssertionError("this does not lead to x")

    x, other = variable([3.0]), variable([3.0])
    (y,) = Untouched().apply((other,))
    assert grad([(x * y).sum()], [x])[0] is not None


def test_grads_options(variable: Make, host: Host) -> None:
    x, y = variable([1.0, 2.0]), variable([3.0, 4.0])
    z = x * y
    start, extra = variable([1.0, 10.0]), variable([100.0, 100.0])
    gx, gy = grad([z], [x, y], [start], [extra, None], set_grad=True)
    np.testing.assert_array_equal(host(gx), [103, 140])
    np.testing.assert_array_equal(host(gy), [1, 20])
    assert x.grad_var is gx
    (scaled,) = grad([z.sum()], [x], loss_scale=4.0)
    np.testing.assert_array_equal(host(scaled), [12, 16])
    grad([(z * 2).sum()], [x], retain_grad=True)
    np.testing.assert_array_equal(host(z.grad), [2, 2])
    with pytest.raises(ValueError, match="1 outputs and 2 grad_outputs; expected one for each"):
        grad([z], [x], [None, None])
    for wrong in ((z, [x]), ([z], x)):
        with pytest.raises(TypeError, match=r"expected a list or tuple of Variables, got Variable"):
            grad(*wrong)


# Final gradients. ---------------------------------------------------------------------------------------------------
def test_on_final_is_called_once_per_leaf_when_nothing_more_can_come(variable: Make, host: Host) -> None:
    first, last = variable([2.0], name="first"), variable([3.0], name="last")
    hidden = first * first
    loss = (hidden * last + hidden).sum()
    seen: list[tuple[str | None, float]] = []
    order = []

    class Watch(FunctionHook):
        name = "watch"

        def backward_postprocess(self, function: Any, in_data: Any, out_grad: Any) -> None:
            order.append(function.label)

    def final(node: VariableNode) -> None:
        seen.append((node.name, float(host(node.grad)[0])))
        order.append(str(node.name))

    with Watch():
        loss.backward(on_final=final)
    assert sorted(seen) == [("first", 16.0), ("last", 4.0)]
    assert order.index("last") < order.index("first")  # not only when everything is over
    assert order[-1] == "first"


def test_on_final_also_tells_of_a_leaf_behind_a_function_that_gave_none(variable: Make) -> None:
    class Stop(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            return (inputs[0] * 1,)

    x = variable([2.0], name="x")
    (stopped,) = Stop().apply((x * x,))
    seen: list[str | None] = []
    (stopped * 2).sum().backward(on_final=lambda node: seen.append(node.name))
    assert seen == ["x"]
    assert x.grad is None


# Modes. -------------------------------------------------------------------------------------------------------------
def test_no_backprop_mode(variable: Make) -> None:
    x = variable([1.0])
    with no_backprop_mode():
        y = x * 2
        assert y.creator_node is None
        assert not y.requires_grad
        with force_backprop_mode():
            assert (x * 2).creator_node is not None
        assert (x * 2).creator_node is None
    assert (x * 2).creator_node is not None


def test_recording_is_told_to_forward(array: Array, variable: Make) -> None:
    seen = []

    class Ask(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            seen.append(self.recording)
            return (inputs[0] * 1,)

    x = variable([1.0])
    Ask().apply((x,))
    Ask().apply((array([1.0]),))
    with no_backprop_mode():
        Ask().apply((x,))
    assert seen == [True, False, False]


def test_ranks_and_creators(variable: Make) -> None:
    x = variable([1.0])
    y = x + x * 2
    assert (x.rank, y.rank) == (0, 2)
    assert x.creator is None
    assert y.creator is y.creator_node
    assert y.creator_node is not None
    assert y.creator_node.label == "_ + _"
    y.unchain_backward()
    assert y.creator_node is None


def test_gradients_set_on_the_other_outputs_take_part() -> None:
    class Halves(FunctionNode):
        def forward(self, inputs: tuple[Any]) -> tuple[Any, Any]:
            (x,) = inputs
            return x * 2, x * 3

        def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Any, Any]) -> tuple[Any]:
            first, second = grad_outputs
            return (first * 2 if second is None else first * 2 + second * 3,)

    x = Variable(np.asarray([1.0, 2.0]))
    first, second = Halves().apply((x,))
    first.grad, second.grad = np.asarray([1.0, 1.0]), np.asarray([10.0, 10.0])
    first.backward()
    np.testing.assert_array_equal(x.grad, [32.0, 32.0])
    (alone,) = grad([first], [x], [first.grad_var])
    np.testing.assert_array_equal(alone.array, [2.0, 2.0])
