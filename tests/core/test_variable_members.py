"""Documented members of Variables, their nodes and functions; other libraries' arrays; scaled gradients; integers."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari.autograd import Function, FunctionNode, Variable, no_backprop_mode
from kusari.backend import Backend
from kusari.configuration import using_config
from kusari.errors import InvalidType, SynchronizationError

Array = Callable[..., Any]
Make = Callable[..., Variable]
Host = Callable[[Any], np.ndarray[Any, Any]]


# Texts.


def test_texts(backend: Backend, variable: Make, array: Array) -> None:
    x = variable([[1.0, 3.0]], "float32", name="x")
    assert x.summary() == "<variable x>"
    assert variable([1.0]).summary().startswith("<variable at 0x")
    head = ["<variable x>", f"- device: {x.device}", f"- backend: {type(x.array)}", "- shape: (1, 2)"]
    rest = ["- dtype: float32", "- statistics: mean=2.00000000, std=1.00000000"]
    assert x.debug_print().splitlines() == [*head, *rest, "- grad: None"]
    x.grad = array([[4.0, 4.0]], "float32")
    assert x.debug_print().splitlines() == [*head, *rest, "- grad: mean=4.00000000, std=0.00000000"]
    assert "mean=1.00000000, std=0.81649658" in variable([0, 1, 2], "int64").debug_print()
    assert "mean=nan" in variable(np.zeros((0, 2))).debug_print()
    with using_config("forbid_synchronization", True), pytest.raises(SynchronizationError):
        x.debug_print()


def test_texts_without_data() -> None:
    p = kusari.Parameter(name="W")
    assert p.summary() == "<variable W>"
    assert p.debug_print().splitlines()[1:3] == ["- device: None", "- backend: None"]
    assert "grad: mean=nan" in kusari.Parameter(0, (2,)).debug_print()


def test_float16_statistics_do_not_overflow() -> None:
    assert "mean=60000.00000000" in Variable(np.full(100, 60000, "float16")).debug_print()


# Comparisons.


def test_neither_equal_nor_hashable(variable: Make) -> None:
    x = variable([1.0])
    for compare in (lambda: x == 1, lambda: x != 1, lambda: x < 1, lambda: x >= 1, lambda: np.ones(1) == x):
        with pytest.raises(TypeError, match="compare their arrays"):
            compare()
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    with pytest.raises(TypeError, match="truth value"):
        bool(x)
    for number in (float, int, complex):
        with pytest.raises(TypeError):
            number(x)  # type: ignore[arg-type]
    assert not isinstance(x, Hashable)


# Integers and numbers.


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x / 2, lambda x: x / 2.0, lambda x: 2 / x, lambda x: x / x, lambda x: x.mean(), lambda x: x**2,
        lambda x: x**0.5, lambda x: 2**x, lambda x: x**x,
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_integers_are_not_divided(variable: Make, operation: Any, dtype: str) -> None:
    with pytest.raises(InvalidType, match=r"Invalid operation is performed in: .*\(Forward\)\n\nExpect: x\.dtype") as e:
        operation(variable([1, 1], dtype))
    assert e.value.actual == dtype


def test_integers_are_added_and_multiplied_as_they_were(variable: Make, host: Host) -> None:
    x = variable([1, 2, 7], "int64")
    for made, expected in ((x + 1, [2, 3, 8]), (x * x, [1, 4, 49]), (-x, [-1, -2, -7]), (x // 2, [0, 1, 3])):
        assert made.dtype == np.int64
        np.testing.assert_array_equal(host(made), expected)


def test_division_by_zero_is_the_arrays(variable: Make, host: Host) -> None:
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(host(variable([1.0, -1.0]) / 0), [np.inf, -np.inf])
        np.testing.assert_array_equal(host(variable([1.0, -1.0]) / -0.0), [-np.inf, np.inf])


def test_floor_division(variable: Make, array: Array, host: Host) -> None:
    x = variable([5.0, -5.0], "float32")
    for made, expected in (
        (x // 2, [2, -3]),
        (x // array([2.0, 2.0], "float32"), [2, -3]),
        (7 // x, [1, -2]),
        (x // x, [1, 1]),
    ):
        assert made.dtype == np.float32
        np.testing.assert_array_equal(host(made), expected)
    y = (x // 2 + x).sum()
    y.backward()
    np.testing.assert_array_equal(host(x.grad), [1, 1])


def test_weighted_means(variable: Make, array: Array, host: Host) -> None:
    values, weights = np.arange(6.0).reshape(2, 3), np.asarray([1.0, 2.0, 3.0])
    x, w = variable(values), variable(weights)
    y = x.mean(axis=1, weights=w)
    np.testing.assert_allclose(host(y), np.average(values, 1, weights))
    assert x.mean(1, weights=w, keepdims=True).shape == (2, 1)
    np.testing.assert_allclose(host(x.mean(weights=array(values))), np.average(values, weights=values))
    y.sum().backward()
    np.testing.assert_allclose(host(x.grad), np.tile(weights / 6, (2, 1)))
    assert w.grad is not None
    with pytest.raises(ValueError, match="weights go with one axis"):
        x.mean(axis=(0, 1), weights=w)


# Old names.


def test_moves_by_old_names(variable: Make, host: Host) -> None:
    x = variable([1.0, 2.0], "float32")
    x.grad = x.array
    x.to_cpu()
    assert x.device.backend.on_host
    np.testing.assert_array_equal(host(x), [1, 2])
    np.testing.assert_array_equal(host(x.grad), [1, 2])
    x.from_chx()
    with pytest.raises(RuntimeError, match="ChainerX has ended"):
        x.to_chx()
    with pytest.raises(ValueError, match="chx_array"):
        _ = x.chx_array
    with pytest.raises(RuntimeError, match=r"kusari-backend-numpy\[fast\]"):
        x.to_intel64()
    assert x.raw_array is x.array
    assert x.layout is None
    assert x.as_layout(None) is x
    with pytest.raises(ValueError, match="strides"):
        x.as_layout("NHWC")  # type: ignore[arg-type]


def test_to_gpu_without_one() -> None:
    try:
        kusari.get_device(0)
    except Exception:  # noqa: BLE001  # whatever says that there is no GPU
        for x in (Variable(np.ones(2)), kusari.Parameter(0, (2,))):
            with pytest.raises(RuntimeError, match=r"cupy|GPU|CUDA"):
                x.to_gpu()
    else:
        pytest.skip("there is a GPU")


# The graph.


class Twice(FunctionNode):
    def forward(self, inputs: Any) -> Any:
        return (inputs[0] * 2,)

    def backward(self, indexes: Any, grad_outputs: Any) -> Any:
        return (grad_outputs[0] * 2,)


def test_outputs_are_found_and_cut_off(variable: Make) -> None:
    x = variable([1.0, 2.0])
    node = Twice()
    (y,) = node.apply((x,))
    assert [reference() for reference in node.outputs] == [y.node]
    assert node.input_layouts == node.output_layouts == (None,)
    assert node.output_data == (None,)
    node.unchain()
    assert y.creator_node is None
    assert node.inputs == ()
    assert node.outputs == ()
    parts = F.split_axis(x, 2, 0)
    split = parts[0].creator_node
    assert split is not None
    assert [reference() for reference in split.outputs] == [part.node for part in parts]
    split.unchain()
    assert [part.creator for part in parts] == [None, None]


def test_outputs_that_are_gone(variable: Make) -> None:
    node = Twice()
    node.apply((variable([1.0]),))
    gc.collect()
    assert node.outputs == ()


def test_a_node_is_not_called(variable: Make) -> None:
    with pytest.raises(RuntimeError, match=r"write Twice\(\.\.\.\)\.apply"):
        Twice()(variable([1.0]))
    with pytest.raises(RuntimeError, match="ChainerX has ended"):
        Twice().forward_chainerx((1,))
    Twice().check_layout_forward((1,))


def test_debug_mode_keeps_where_a_function_was_called(variable: Make) -> None:
    x = variable([1.0])
    assert Twice().apply((x,))[0].creator.stack is None
    with using_config("debug", True):
        stack = Twice().apply((x,))[0].creator.stack
    assert stack[-1].name == "test_debug_mode_keeps_where_a_function_was_called"


def test_set_creator(variable: Make) -> None:
    class Old(Function):
        def forward(self, inputs: Any) -> Any:
            return (inputs[0] * 2,)

    x, y = variable([1.0]), variable([2.0])
    node = Twice()
    node.apply((x,))
    y.set_creator(node)
    assert (y.creator_node, y.rank) == (node, 1)
    function = Old()
    z = function(x)
    other = variable([3.0])
    other.node.set_creator(function)
    assert other.creator is function
    assert other.creator_node is z.creator_node
    assert function.stack is None
    assert z.node in [reference() for reference in function.outputs]


def test_an_old_style_function_s_scalars_become_arrays() -> None:
    class Square(Function):
        def forward(self, inputs: Any) -> Any:
            return (inputs[0] ** 2,)

        def backward(self, inputs: Any, grad_outputs: Any) -> Any:
            return (np.float64(6.0),)

    x = Variable(np.asarray(3.0))
    Square()(x).backward()
    assert isinstance(x.grad, np.ndarray)


# Scaled gradients.


def loss_of(link: Any) -> Variable:
    loss: Variable = (link.W * link.W).sum()
    return loss


@pytest.mark.parametrize("scale", [8.0, 0.5])
def test_a_hand_written_loop_s_gradients_are_unscaled_by_the_update(scale: float) -> None:
    link = L.Parameter(np.asarray([1.0, 2.0], "f"))
    optimizer = kusari.optimizers.SGD(lr=1.0).setup(link)
    link.cleargrads()
    loss_of(link).backward(loss_scale=scale)
    np.testing.assert_array_equal(link.W.grad, [2 * scale, 4 * scale])
    assert link.W.grad_scale == scale
    optimizer.update()
    np.testing.assert_array_equal(link.W.array, [-1, -2])
    np.testing.assert_array_equal(link.W.grad, [2, 4])
    assert link.W.grad_scale is None
    optimizer.update()  # the same gradient again: it is not divided twice
    np.testing.assert_array_equal(link.W.array, [-3, -6])


def test_the_scale_of_the_backward_counts_not_the_optimizer_s() -> None:
    for scale, given in ((4.0, {"loss_scale": 4.0}), (None, {})):
        link = L.Parameter(np.asarray([1.0, 2.0], "f"))
        optimizer = kusari.optimizers.SGD(lr=1.0).setup(link)
        optimizer.set_loss_scale(8.0)
        link.cleargrads()
        loss_of(link).backward(**given)  # type: ignore[arg-type]
        assert link.W.grad_scale == scale
        optimizer.update()
        np.testing.assert_array_equal(link.W.array, [-1, -2])


def test_a_cleared_gradient_s_scale_is_forgotten() -> None:
    link = L.Parameter(np.asarray([1.0, 2.0], "f"))
    optimizer = kusari.optimizers.SGD(lr=1.0).setup(link)
    for clear in (link.W.cleargrad, link.W.set_zero_grad):
        loss_of(link).backward(loss_scale=8.0)
        clear()
        assert link.W.grad_scale is None
    loss_of(link).backward()
    optimizer.update()
    np.testing.assert_array_equal(link.W.array, [-1, -2])


def test_the_scale_goes_with_copies_and_sums_of_gradients() -> None:
    link = L.Parameter(np.asarray([1.0, 2.0], "f"))
    link.cleargrads()
    loss_of(link).backward(loss_scale=8.0)
    assert copy.deepcopy(link).W.grad_scale == pickle.loads(pickle.dumps(link)).W.grad_scale == 8.0
    other = L.Parameter(np.asarray([0.0, 0.0], "f"))
    other.cleargrads()
    other.addgrads(link)
    assert other.W.grad_scale == 8.0


# Other libraries' arrays.


def test_dlpack_shares_memory_both_ways() -> None:
    x = Variable(np.zeros(3, "f"))
    assert x.__dlpack_device__() == (1, 0)
    seen = np.from_dlpack(x)
    x.array[0] = 1
    assert seen[0] == 1
    back = kusari.from_dlpack(seen)
    assert back.device is x.device
    assert not back.requires_grad
    assert np.shares_memory(back.array, x.array)
    assert not np.shares_memory(kusari.from_dlpack(seen, copy=True).array, x.array)


def test_dlpack_to_and_from_another_library(strict: Backend, backend: Backend) -> None:
    source = strict.from_host(np.arange(3.0))
    x = kusari.from_dlpack(Variable(source))
    assert x.device.name == "numpy"
    np.testing.assert_array_equal(x.array, [0, 1, 2])
    moved = kusari.from_dlpack(np.arange(3.0), device=f"{backend.name}")
    assert moved.device.backend is backend
    np.testing.assert_array_equal(backend.to_host(moved.array), [0, 1, 2])
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    tensor = torch.arange(3.0)
    shared = kusari.from_dlpack(tensor)
    tensor[0] = 7
    np.testing.assert_array_equal(shared.array, [7, 1, 2])
    assert torch.from_dlpack(shared).tolist() == [7, 1, 2]


def test_dlpack_mistakes(strict: Backend) -> None:
    with pytest.raises(TypeError, match="from_dlpack"):
        kusari.from_dlpack([1, 2])

    class Elsewhere:
        def __dlpack_device__(self) -> tuple[int, int]:
            return 8, 0

        def __dlpack__(self, **options: Any) -> Any:
            raise AssertionError

    with pytest.raises(BufferError, match="kind 8"):
        kusari.from_dlpack(Elsewhere())
    with pytest.raises(BufferError, match="copy=False"):
        kusari.from_dlpack(np.ones(2), device=strict.name, copy=False)


def test_np_asarray_drops_no_graph_by_itself(variable: Make) -> None:
    x = variable([1.0, 2.0], "float32")
    for y in (x, x * 2):
        with pytest.raises(TypeError, match=r"write x\.array"):
            np.asarray(y)
    with no_backprop_mode():
        y = x * 2
    np.testing.assert_array_equal(np.asarray(y), [2, 4])
    assert np.asarray(y, dtype="float64").dtype == np.float64
    with pytest.raises(TypeError, match="without data"):
        np.asarray(Variable(None, requires_grad=False))


def test_np_asarray_shares_the_host_s_memory() -> None:
    x = Variable(np.ones(2), requires_grad=False)
    assert np.shares_memory(np.asarray(x), x.array)
    assert not np.shares_memory(np.array(x), x.array)


def test_arrays_leave_operators_to_variables() -> None:
    x = Variable(np.asarray([1.0, 2.0]))
    for made in (np.ones(2) + x, np.ones(2) * x, np.ones(2) // x, np.float64(2) - x):
        assert isinstance(made, Variable)
