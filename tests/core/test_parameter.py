"""Parameter: initial values, the life of its gradient, shared data, versions, devices, copies."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kusari.autograd import Variable
from kusari.autograd.parameter import Parameter
from kusari.backend import Backend, Device, get_device
from kusari.configuration import using_config
from kusari.initializers import Constant, Initializer, NaN, Normal, One


def numbers(parameter: Any) -> Any:
    """Return the parameter's (or array's) numbers on the host."""
    array = parameter.array if isinstance(parameter, Variable) else parameter
    return get_device_of(array).backend.to_host(array).tolist()


def get_device_of(array: Any) -> Device:
    from kusari.backend import device_of_array

    return device_of_array(array)


def made_on(backend: Backend, initializer: Any, shape: Any = (2,)) -> Parameter:
    """Return an initialized parameter on a backend."""
    parameter = Parameter(initializer)
    parameter.to_device(Device(backend))
    parameter.initialize(shape)
    return parameter


class Rule:
    """An update rule that subtracts the gradient, in place or not."""

    enabled = True

    def __init__(self, in_place: bool) -> None:
        self.in_place = in_place

    def update(self, param: Parameter) -> None:
        if self.in_place:
            param.array[...] = param.array - param.grad
        else:
            param.array = param.array - param.grad


# Initial values.


def test_without_initializer_data_and_gradient_are_nan() -> None:
    parameter = Parameter(shape=(2, 3))
    assert parameter.dtype == np.float32
    assert np.isnan(parameter.array).all()
    assert np.isnan(parameter.grad).all()
    assert isinstance(parameter.initializer, NaN)


@pytest.mark.parametrize("value", [3, 3.0, np.float64(3), np.int32(3)])
def test_a_number_is_a_constant_in_the_configured_dtype(value: Any) -> None:
    parameter = Parameter(value, (2,))
    assert parameter.array.tolist() == [3, 3]
    assert parameter.dtype == np.float32
    assert not Parameter(value).is_initialized


def test_an_array_without_shape_is_the_data_itself_without_gradient() -> None:
    data = np.arange(6.0).reshape(2, 3)
    parameter = Parameter(data)
    assert parameter.array is data
    assert parameter.grad is None
    assert parameter.initializer is None
    with pytest.raises(RuntimeError, match="made from an array"):
        parameter.initialize((2, 3))


def test_a_0d_array_is_data_and_a_scalar_is_not() -> None:
    assert Parameter(np.asarray(3.0)).is_initialized
    assert not Parameter(np.float32(3)).is_initialized


def test_an_array_with_shape_is_repeated_into_the_configured_dtype() -> None:
    data = np.arange(3)
    parameter = Parameter(data, (2, 3))
    assert parameter.array.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert parameter.dtype == np.float32
    assert parameter.array is not data
    assert np.isnan(parameter.grad).all()


@pytest.mark.parametrize("shape", [(2, 2), (3, 1, 2)])
def test_an_array_that_does_not_broadcast_to_the_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="does not broadcast"):
        Parameter(np.arange(3), shape)


def test_a_callable_fills_in_place(backend: Backend) -> None:
    def fill(array: Any) -> None:
        array[...] = 5

    parameter = made_on(backend, fill)
    assert numbers(parameter) == [5, 5]
    assert np.isnan(numbers(parameter.grad)).all()
    assert isinstance(parameter.array, backend.array_types)


def test_a_callable_that_returns_another_array_is_told_to_fill() -> None:
    with pytest.raises(TypeError, match="in place"):
        Parameter(lambda array: array + 1, (2,))


@pytest.mark.parametrize("value", [[1, 2], "x", {}])
def test_something_that_is_no_initializer_is_refused_at_once(value: Any) -> None:
    with pytest.raises(TypeError, match="initializer"):
        Parameter(value)


def test_layout_is_only_none() -> None:
    assert Parameter(0, (1,), "n", layout=None).name == "n"
    with pytest.raises(ValueError, match="layout"):
        Parameter(0, (1,), layout="nhwc")


def test_a_number_as_shape_is_one_axis() -> None:
    assert Parameter(0, 3).shape == (3,)
    assert Parameter(0, np.int64(3)).shape == (3,)


def test_integer_parameters_have_no_nan_gradient() -> None:
    parameter = Parameter(NaN("int32"), (2,))
    assert parameter.array.tolist() == [np.iinfo(np.int32).min] * 2
    assert parameter.grad is None


@given(
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    st.sampled_from(["float16", "float32", "float64"]),
    st.floats(-100, 100, width=16),
)
def test_shape_and_dtype_are_what_was_asked_for(shape: tuple[int, ...], dtype: str, value: float) -> None:
    parameter = Parameter(Constant(value, dtype))
    parameter.initialize(shape)
    assert (parameter.shape, parameter.dtype, parameter.ndim) == (shape, np.dtype(dtype), len(shape))
    assert parameter.size == np.prod(shape, dtype=int)
    assert (parameter.array == value).all()


# Before there is data.


def test_without_data_the_array_is_none_and_dtype_is_known() -> None:
    parameter = Parameter(Normal(dtype="float64"), name="W")
    assert parameter.array is None
    assert parameter.data is None
    assert not parameter.is_initialized
    assert parameter.dtype == np.float64
    assert repr(parameter) == "variable W(None)"


def test_dtype_without_data_is_the_one_that_will_be_allocated() -> None:
    parameter = Parameter(Normal())
    with using_config("dtype", "float16"):
        assert parameter.dtype == np.float16
        parameter.initialize((2,))
    assert parameter.dtype == np.float16


def test_dtype_is_unknown_when_the_initializer_does_not_tell() -> None:
    parameter = Parameter(lambda array: array.fill(0))
    with pytest.raises(RuntimeError, match="no dtype yet"):
        _ = parameter.dtype
    parameter.initialize((2,))
    assert parameter.dtype == np.float32


@pytest.mark.parametrize("name", ["shape", "ndim", "size"])
def test_shape_size_and_ndim_without_data_are_attribute_errors_with_advice(name: str) -> None:
    parameter = Parameter(name="W")
    with pytest.raises(AttributeError, match=r"'W' has no .* yet.*initialize"):
        getattr(parameter, name)


def test_use_without_data_names_the_parameter_and_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"'W' is used before it has data.*initialize\(shape\)"):
        _ = Parameter(name="W") + 1


def test_the_gradient_cannot_be_read_or_set_without_data() -> None:
    parameter = Parameter()
    with pytest.raises(RuntimeError, match="cleargrad"):
        _ = parameter.grad
    with pytest.raises(RuntimeError, match="before it has data"):
        parameter.grad = np.ones(2, "f")


# The life of the gradient.


def zerograd(parameter: Parameter) -> None:
    with pytest.warns(DeprecationWarning, match="cleargrad"):
        parameter.zerograd()


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], "nan"),
        ([Parameter.cleargrad], None),
        ([zerograd], 0.0),
        ([zerograd, Parameter.cleargrad], None),
        ([Parameter.cleargrad, zerograd], 0.0),
    ],
)
def test_what_was_called_without_data_decides_the_first_gradient(
    backend: Backend, before: list[Callable[[Parameter], None]], expected: Any
) -> None:
    parameter = Parameter(1)
    parameter.to_device(Device(backend))
    for call in before:
        call(parameter)
    parameter.initialize((2,))
    if expected is None:
        assert parameter.grad is None
    elif expected == "nan":
        assert np.isnan(numbers(parameter.grad)).all()
    else:
        assert numbers(parameter.grad) == [expected] * 2


def test_after_cleargrad_the_gradient_reads_as_none_without_data() -> None:
    parameter = Parameter()
    parameter.cleargrad()
    assert parameter.grad is None
    assert parameter.grad_var is None


def test_initializing_again_gives_new_values_and_a_nan_gradient() -> None:
    parameter = Parameter(0, (2,))
    parameter.cleargrad()
    parameter.initialize((3,))
    assert parameter.array.tolist() == [0, 0, 0]
    assert np.isnan(parameter.grad).all()


def test_an_update_before_cleargrad_shows(backend: Backend) -> None:
    parameter = made_on(backend, 1)
    parameter.update_rule = Rule(in_place=False)
    (parameter * 2).sum().backward()
    parameter.update()
    assert np.isnan(numbers(parameter)).all()


def test_backward_reaches_a_parameter(backend: Backend) -> None:
    parameter = made_on(backend, 3)
    parameter.cleargrad()
    (parameter * parameter).sum().backward()
    assert numbers(parameter.grad) == [6, 6]


# Updating.


def test_update_without_a_rule_does_nothing() -> None:
    parameter = Parameter(1, (2,))
    version = parameter.version
    parameter.update()
    assert parameter.version == version
    assert parameter.array.tolist() == [1, 1]


@pytest.mark.parametrize("in_place", [True, False])
def test_update_runs_the_rule_and_raises_the_version(backend: Backend, in_place: bool) -> None:
    parameter = made_on(backend, 1)
    parameter.cleargrad()
    (parameter * 3).sum().backward()
    parameter.update_rule = Rule(in_place)
    version = parameter.version
    parameter.update()
    assert numbers(parameter) == [-2, -2]
    assert parameter.version == version + 1


# Versions.


def test_everything_that_changes_the_array_raises_the_version() -> None:
    parameter = Parameter(1)
    versions = [parameter.version]

    def changed(action: Callable[[], Any]) -> None:
        action()
        versions.append(parameter.version)

    changed(lambda: parameter.initialize((2,)))
    changed(lambda: setattr(parameter, "array", np.zeros(2, "f")))
    changed(lambda: setattr(parameter, "data", np.ones(2, "f")))
    changed(lambda: parameter.copydata(Variable(np.ones(2, "f"))))
    changed(parameter.touch)
    assert versions == sorted(set(versions))


def test_debug_mode_catches_writes_in_place_without_touch() -> None:
    with using_config("debug", True):
        parameter = Parameter(1, (2,), name="W")
        _ = parameter * 2
        parameter.array[0] = 5
        parameter.array[1] = 6
        with pytest.raises(RuntimeError, match=r"'W' was changed in place.*touch"):
            _ = parameter * 2
        parameter.touch()
        assert (parameter * 2).array.tolist() == [10, 12]


def test_debug_mode_catches_a_write_after_every_kind_of_change(backend: Backend) -> None:
    with using_config("debug", True):
        parameter = made_on(backend, 1)
        parameter.cleargrad()
        parameter.copydata(made_on(backend, 2))
        parameter.array[0] = 7.0
        with pytest.raises(RuntimeError, match="changed in place"):
            _ = parameter * 2
        parameter.array = parameter.array
        parameter.array[0] = 8.0
        with pytest.raises(RuntimeError, match="changed in place"):
            _ = parameter * 2


def test_outside_debug_mode_nobody_looks() -> None:
    with using_config("debug", True):
        parameter = Parameter(1, (2,))
    parameter.array[0] = 5
    assert (parameter * 2).array.tolist() == [10, 2]


# Sharing.


def test_copies_share_the_data_holder_and_its_version() -> None:
    first = Parameter(3, (2,))
    second = copy.copy(first)
    first.array = np.zeros(2, "f")
    assert second.array is first.array
    assert second.version == first.version
    assert second is not first


def test_clearing_the_gradient_of_a_copy_leaves_the_original_s() -> None:
    first = Parameter(3, (2,))
    first.grad = np.ones(2, "f")
    second = copy.copy(first)
    assert second.grad.tolist() == [1, 1]
    second.cleargrad()
    assert first.grad.tolist() == [1, 1]


def test_share_starts_without_gradient_and_keeps_the_name_and_rule() -> None:
    first = Parameter(3, (2,), name="W")
    first.update_rule = Rule(in_place=False)
    second = first.share()
    assert second.grad is None
    assert (second.name, second.update_rule) == ("W", first.update_rule)


def test_initializing_one_of_two_that_share_initializes_both() -> None:
    first = Parameter(3)
    second = copy.copy(first)
    first.initialize((2,))
    assert second.array is first.array
    assert second.grad is None


def test_gradients_flow_to_each_of_two_that_share() -> None:
    first = Parameter(3, (2,))
    second = first.share()
    first.cleargrad()
    (first * 2).sum().backward()
    (second * 5).sum().backward()
    assert first.grad.tolist() == [2, 2]
    assert second.grad.tolist() == [5, 5]


def test_moving_one_without_data_breaks_the_tie(strict: Backend) -> None:
    first = Parameter(3)
    second = copy.copy(first)
    second.to_device(Device(strict))
    first.initialize((2,))
    assert not second.is_initialized
    assert second.device is Device(strict)


def test_moving_one_with_data_moves_both_and_their_gradients(strict: Backend) -> None:
    first = Parameter(3, (2,))
    second = first.share()
    second.grad = np.ones(2, "f")
    first.to_device(Device(strict))
    assert second.array is first.array
    assert second.device is Device(strict)
    assert isinstance(second.grad, strict.array_types)
    (second * 2).sum().backward()
    assert numbers(second.grad) == [3, 3]


# Copies that share nothing.


@pytest.mark.parametrize("how", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_deep_copies_and_pickles_keep_everything(backend: Backend, how: Callable[[Any], Any]) -> None:
    parameter = made_on(backend, Normal(0.5))
    parameter.name = "W"
    parameter.grad = parameter.array * 2
    parameter.update_rule = Rule(in_place=True)
    parameter.note = "a user's own attribute"  # type: ignore[attr-defined]
    twin = how(parameter)
    assert numbers(twin) == numbers(parameter)
    assert numbers(twin.grad) == numbers(parameter.grad)
    assert (twin.name, twin.note, twin.device) == ("W", parameter.note, parameter.device)  # type: ignore[attr-defined]
    assert isinstance(twin.update_rule, Rule)
    assert isinstance(twin.initializer, Normal)
    twin.array[...] = 0.0
    assert numbers(parameter) != numbers(twin)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_deep_copies_and_pickles_without_data_keep_what_is_to_come(how: Callable[[Any], Any]) -> None:
    parameter = Parameter(Constant(2), name="W")
    parameter.cleargrad()
    twin = how(parameter)
    twin.initialize((2,))
    assert twin.array.tolist() == [2, 2]
    assert twin.grad is None
    assert not parameter.is_initialized


@pytest.mark.parametrize("how", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_two_that_share_still_do_after_a_deep_copy_or_pickle(how: Callable[[Any], Any]) -> None:
    first = Parameter(3, (2,))
    twins = how([first, first.share()])
    twins[0].array = np.zeros(2, "f")
    assert twins[1].array is twins[0].array
    assert first.array.tolist() == [3, 3]


def test_a_deep_copy_keeps_the_memory_format() -> None:
    channels_last = np.zeros((2, 4, 4, 3), "f").transpose(0, 3, 1, 2)
    assert copy.deepcopy(Parameter(channels_last)).array.strides == channels_last.strides


# Devices.


def test_without_data_the_device_is_remembered(strict: Backend) -> None:
    parameter = Parameter(One())
    parameter.to_device("strict:1")
    parameter.initialize((2,))
    assert strict.index_of(parameter.array) == 1
    assert strict.index_of(parameter.grad) == 1
    assert numbers(parameter) == [1, 1]


def test_with_data_the_array_and_the_gradient_move(strict: Backend) -> None:
    parameter = Parameter(1, (2,))
    parameter.to_device("strict")
    assert isinstance(parameter.array, strict.array_types)
    assert isinstance(parameter.grad, strict.array_types)
    assert parameter.dtype == np.float32
    array = parameter.array
    parameter.to_device("strict")
    assert parameter.array is array


def test_assigning_an_array_of_another_device_moves_the_label(strict: Backend) -> None:
    parameter = Parameter(1, (2,))
    parameter.array = strict.from_host(np.ones(2, "f"))
    assert parameter.device is Device(strict)


def test_assigning_something_that_is_no_array_changes_nothing() -> None:
    parameter = Parameter(1, (2,))
    with pytest.raises(TypeError, match="no backend has arrays of type"):
        parameter.array = [1, 2]
    assert parameter.array.tolist() == [1, 1]


# Copying data and adding gradients.


@pytest.mark.parametrize("source_device", ["numpy", "strict"])
def test_copydata_crosses_devices_and_keeps_array_and_dtype(strict: Backend, source_device: str) -> None:
    source = Parameter(np.asarray([1.5, 2.5]))
    source.to_device(source_device)
    target = Parameter(0, (2,))
    array = target.array
    target.copydata(source)
    assert target.array is array
    assert target.array.tolist() == [1.5, 2.5]
    assert np.isnan(target.grad).all()


def test_copydata_into_one_without_data_initializes_it_to_the_source_s_shape() -> None:
    target = Parameter(2)
    target.copydata(Parameter(np.arange(3.0)))
    assert target.array.tolist() == [0, 1, 2]
    assert target.dtype == np.float32
    assert np.isnan(target.grad).all()


def test_copydata_from_one_without_data_changes_nothing() -> None:
    source, target = Parameter(7), Parameter(2, (3,))
    target.copydata(source)
    assert target.array.tolist() == [2, 2, 2]
    assert not source.is_initialized


def test_copydata_from_one_without_data_initializes_it_in_legacy_behavior() -> None:
    source, target = Parameter(7), Parameter(2, (3,))
    with using_config("legacy_behavior", True):
        target.copydata(source)
    assert target.array.tolist() == [7, 7, 7]
    assert source.array.tolist() == [7, 7, 7]


def test_copydata_between_two_without_data_does_nothing() -> None:
    source, target = Parameter(7), Parameter(2)
    target.copydata(source)
    assert not source.is_initialized
    assert not target.is_initialized


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1)])
def test_copydata_takes_exact_shapes_only(shape: tuple[int, ...]) -> None:
    target = Parameter(2, (2, 3))
    with pytest.raises(ValueError, match=r"expected shape \(2, 3\)"):
        target.copydata(Parameter(1, shape))
    assert (target.array == 2).all()


def test_addgrad_skips_a_source_without_gradient() -> None:
    source, target = Parameter(1, (2,)), Parameter(1, (2,))
    source.cleargrad()
    target.grad = np.ones(2, "f")
    target.addgrad(source)
    assert target.grad.tolist() == [1, 1]


def test_addgrad_takes_the_source_s_variable_where_there_is_none() -> None:
    source, target = Parameter(1, (2,)), Parameter(1, (2,))
    source.grad = np.ones(2, "f")
    target.cleargrad()
    target.addgrad(source)
    assert target.grad_var is source.grad_var


def test_addgrad_initializes_one_without_data() -> None:
    source, target = Parameter(1, (2,)), Parameter(4)
    source.grad = np.ones(2, "f")
    target.cleargrad()
    target.addgrad(source)
    assert target.array.tolist() == [4, 4]
    assert target.grad.tolist() == [1, 1]


def test_addgrad_keeps_the_gradient_s_graph_across_devices(strict: Backend) -> None:
    target = Parameter(np.asarray([1.0, 2.0]))
    target.cleargrad()
    source = Parameter(np.asarray([3.0, 4.0]))
    source.to_device("strict")
    source.cleargrad()
    (source * source * source).sum().backward(enable_double_backprop=True)
    target.addgrad(source)
    assert target.device is get_device("numpy")
    assert target.grad.tolist() == [27, 48]
    gradient = target.grad_var
    assert gradient is not None
    source.cleargrad()
    gradient.sum().backward()
    assert numbers(source.grad) == [18, 24]


def test_a_user_s_initializer_class_works_through_the_base_class() -> None:
    class Ramp(Initializer):
        def __call__(self, array: Any) -> None:
            array[...] = np.arange(array.size).reshape(array.shape)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Parameter(Ramp("float64"), (2, 2)).array.tolist() == [[0, 1], [2, 3]]
