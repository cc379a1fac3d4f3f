"""Kernels with one deliberate fault each: every one of them must fail the kit, by the test that is meant for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kusari.backend import Backend, Kernel
from kusari.kernels import activation, linear, softmax, update
from kusari.kernels.conv import Convolution, MLPConvolution
from kusari.kernels.pooling import AveragePooling, MaxPooling


class Wrong(NamedTuple):
    """A fault, and how the kit must notice."""

    name: str
    break_it: Callable[[Backend], Any]
    case: str
    """Which cases to run."""
    test: str
    """The test that must fail."""
    text: str
    """Part of what it says."""


def _relu(function: Callable[[Any], Any]) -> Callable[[Backend], None]:
    def break_it(backend: Backend) -> None:
        @backend.implements(activation.relu)
        def relu(backend: Backend, x: Any) -> Any:
            return function(x)

    return break_it


def _one_element(x: Any) -> Any:
    y = np.maximum(x, 0)
    y.flat[-1:] += 0.01
    return y


def _in_place(x: Any) -> Any:
    return np.maximum(x, 0, out=x)


def _as_list(x: Any) -> Any:
    return np.maximum(x, 0).tolist()


def _swallow_nan(x: Any) -> Any:
    return np.where(x > 0, x, np.zeros_like(x))


def _with_gaps(x: Any) -> Any:
    wide = np.empty((*x.shape, 2), x.dtype)
    wide[..., 0] = np.maximum(x, 0)
    return wide[..., 0]


def _through_gap(x: Any) -> Any:
    """Read memory in order, whatever the strides: right for dense inputs in C order."""
    return np.maximum(np.lib.stride_tricks.as_strided(x, x.shape, np.empty(x.shape, x.dtype).strides), 0)


def _overriding(family: Any, **methods: Callable[..., Any]) -> Callable[[Backend], None]:
    """Return what overrides a family with a subclass that has these methods."""

    def break_it(backend: Backend) -> None:
        name = f"Wrong{family.__name__}"
        backend.implements(family)(type(name, (family,), {"contract": family.contract, **methods}))

    return break_it


def _border_off_by_one(self: Any, x: Any, W: Any, b: Any) -> Any:
    """Put one row more before the image and one less behind it."""
    shifted = np.zeros_like(x)
    shifted[:, :, 1:] = x[:, :, :-1]
    return Convolution.forward(self, shifted, W, b)


def _first_group_only(self: Any, x: Any, W: Any, b: Any) -> Any:
    groups = self.problem.groups
    if groups == 1:
        return Convolution.forward(self, x, W, b)
    repeated = np.concatenate([x[:, : W.shape[1]]] * groups, axis=1)
    return Convolution.forward(self, np.ascontiguousarray(repeated), W, b)


def _no_activation(self: Any, x: Any, W: Any, b: Any) -> Any:
    plain = Convolution(self.backend, self.problem._replace(activation=None))
    return plain.forward(x, W, b)


def _returns_input(self: Any, x: Any) -> Any:
    return x if self.problem.window.trivial else AveragePooling.forward(self, x)


def _one_buffer(self: Any, x: Any) -> Any:
    made = AveragePooling.forward(self, x)
    if not hasattr(self, "buffer"):
        self.buffer = np.empty_like(made)
    self.buffer[...] = made
    return self.buffer


def _first_result(self: Any, x: Any, W: Any, b: Any) -> Any:
    if not hasattr(self, "made"):
        self.made = Convolution.forward(self, x, W, b)
    return self.made.copy()


def _channels_swapped(self: Any, x: Any, W: Any, b: Any) -> Any:
    """Give (N, O, W, H) where (N, O, H, W) is meant."""
    return np.ascontiguousarray(np.swapaxes(Convolution.forward(self, x, W, b), -1, -2))


def _ignores_version(backend: Backend) -> None:
    packed: dict[int, tuple[Any, Any]] = {}

    @backend.implements(linear.linear)
    def remembering(backend: Backend, x: Any, W: Any, b: Any, activation: Any = None) -> Any:
        _, columns = packed.setdefault(id(W), (W, np.ascontiguousarray(W.T)))
        y = x @ columns
        y = y if b is None else y + b
        return y if activation is None else activation.apply(backend, y)


def _linear(change: Callable[[Any], Any]) -> Callable[[Backend], None]:
    def break_it(backend: Backend) -> None:
        @backend.implements(linear.linear)
        def wrong(backend: Backend, x: Any, W: Any, b: Any, activation: Any = None) -> Any:
            return change(linear.linear.portable(backend, x, W, b, activation))

    return break_it


def _extra_axis(backend: Backend) -> None:
    @backend.implements(softmax.log_softmax)
    def wrong(backend: Backend, x: Any, axis: int) -> Any:
        return softmax.log_softmax.portable(backend, x, axis)[None]


def _wrong_relu_grad(backend: Backend) -> None:
    @backend.implements(activation.relu_grad)
    def wrong(backend: Backend, y: Any, gy: Any) -> Any:
        return gy * (y > 0.5)


def _wrong_gather(self: Any, where: Any, x: Any) -> Any:
    return MaxPooling.gather(self, where, x) * 1.001


def _keeps_wrong_dtype(self: Any, kept: Any, x: Any, weights: Any, gy: Any, wanted: Any) -> Any:
    made = MLPConvolution.backward(self, kept, x, weights, gy, wanted)
    return tuple(None if g is None else g.astype(np.float64) for g in made)


def _writes_to_gradient(backend: Backend) -> None:
    @backend.implements(update.sgd)
    def wrong(backend: Backend, p: Any, g: Any, learning_rate: float) -> Any:
        g *= learning_rate
        return (p - g,)


VERSION = "test_a_new_version_of_a_parameter_counts"


class OneRate(Backend):
    """Run every row with the first row's scalars."""

    def foreach(self, kernel: Kernel[..., Any], columns: Any, scalar_rows: Any) -> Any:
        return super().foreach(kernel, columns, [scalar_rows[0]] * len(scalar_rows))


class NewPlans(dict[Any, Any]):
    """Make plans anew for each call."""

    def __init__(self, table: dict[Any, Any]) -> None:
        self.table = table

    def __missing__(self, target: Any) -> Any:
        return (lambda problem: target(self.backend, problem)) if isinstance(target, type) else self.table[target]

    backend: Backend


def _forget_plans(backend: Backend) -> None:
    table = NewPlans(backend.table)
    table.backend = backend
    backend.table = table


WRONG = [
    Wrong("one-element", _relu(_one_element), "relu:image", "test_values", "1 of 120 elements"),
    Wrong("one-element-portable", _relu(_one_element), "relu:image", "test_portable_definition", "1 of 120 elements"),
    Wrong("nan-swallowed", _relu(_swallow_nan), "relu:nan", "test_values", "expected nan"),
    Wrong("input-overwritten", _relu(_in_place), "relu:image", "test_inputs_are_left_alone", "input 0 has changed"),
    Wrong("not-dense", _relu(_with_gaps), "relu:image", "test_results_are_dense", "is not dense"),
    Wrong("strides-ignored", _relu(_through_gap), "relu:matrix", "test_memory_formats", "on transposed inputs"),
    Wrong("not-an-array", _relu(_as_list), "relu:vector", "test_result_type", "builtins.list"),
    Wrong("dtype", _linear(lambda y: y.astype(np.float64)), "linear:matrix", "test_result_type", "is float64"),
    Wrong("function-dtype", _linear(lambda y: y.astype(np.float64)), "linear:matrix", "test_values", "gave float64"),
    Wrong("shape", _extra_axis, "log_softmax:matrix", "test_result_type", "shape (1, 5, 4), expected (5, 4)"),
    Wrong("parameter-version", _ignores_version, "linear:matrix", VERSION, "in place"),
    Wrong(
        "result-is-input",
        _overriding(AveragePooling, forward=_returns_input),
        "AveragePooling:pointwise:",
        "test_results_share_no_memory_with_inputs",
        "input 0 has changed",
    ),
    Wrong(
        "one-buffer",
        _overriding(AveragePooling, forward=_one_buffer),
        "AveragePooling:image:",
        "test_nothing_is_left_of_an_earlier_call",
        "result of the first 0 has changed",
    ),
    Wrong(
        "stale-result",
        _overriding(Convolution, forward=_first_result),
        "Convolution:image:forward",
        "test_nothing_is_left_of_an_earlier_call",
        "in a second call",
    ),
    Wrong(
        "plans-anew", _forget_plans, "Convolution:image:forward", "test_a_plan_is_found_again", "plans are made anew"
    ),
    Wrong(
        "axes-swapped",
        _overriding(Convolution, forward=_channels_swapped),
        "Convolution:image:forward",
        "test_result_type",
        "has shape (2, 4, 6, 7), expected (2, 4, 7, 6)",
    ),
    Wrong(
        "border-off-by-one",
        _overriding(Convolution, forward=_border_off_by_one),
        "Convolution:pad-2:forward",
        "test_values",
        "differs from the oracle",
    ),
    Wrong(
        "groups-ignored",
        _overriding(Convolution, forward=_first_group_only),
        "Convolution:groups-2:forward",
        "test_values",
        "differs from the oracle",
    ),
    Wrong(
        "epilogue-left-out",
        _overriding(Convolution, forward=_no_activation),
        "Convolution:tanh:forward",
        "test_values",
        "differs from the oracle",
    ),
    Wrong(
        "gradient-dtype",
        _overriding(MLPConvolution, backward=_keeps_wrong_dtype),
        "mlp_convolution_2d:image",
        "test_gradient_types",
        "float32 has a gradient of float64",
    ),
    Wrong("first-gradient", _wrong_relu_grad, "relu:image", "test_gradients", "check_backward of relu:image"),
    Wrong(
        "second-gradient",
        _overriding(MaxPooling, gather=_wrong_gather),
        "max_pooling_2d:image",
        "test_second_gradients",
        "gradients of max_pooling_2d:image",
    ),
    Wrong("gradient-overwritten", _writes_to_gradient, "sgd:filters", "test_many_rows_at_once", "input 1 has changed"),
]
