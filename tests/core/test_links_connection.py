"""Linear, Convolution2D and MLPConvolution2D: arguments, deferred sizes, values, and when the block must not fuse."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari.backend import Backend, Device
from kusari.function_hooks import TimerHook

Host = Callable[[Any], np.ndarray[Any, Any]]


def image(channels: int = 3, dtype: str = "f") -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal((2, channels, 6, 5)).astype(dtype)


def functions_run(call: Callable[[], Any]) -> list[str]:
    hook = TimerHook()
    with hook:
        call()
    return [name for name, _ in hook.call_history]


def test_linear_by_a_formula(device: Device, host: Host) -> None:
    layer = L.Linear(3, 2)
    layer.to_device(device)
    x = np.random.default_rng(0).standard_normal((4, 3)).astype("f")
    np.testing.assert_allclose(host(layer(device.send(x))), x @ host(layer.W).T + host(layer.b), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("arguments", [(None, 2), (2,)])
def test_linear_reads_its_input_size_off_the_first_input(arguments: tuple[Any, ...]) -> None:
    layer = L.Linear(*arguments)
    assert layer.W.array is None
    assert layer(np.ones((5, 3, 2), "f")).shape == (5, 2)
    assert layer.W.shape == (2, 6)
    assert layer.in_size == 6


def test_linear_keeps_batch_axes() -> None:
    assert L.Linear(3, 2)(np.ones((4, 5, 3), "f"), n_batch_axes=2).shape == (4, 5, 2)


@pytest.mark.parametrize("nobias", [False, True])
def test_from_params_copies_arrays(nobias: bool) -> None:
    W, b = np.ones((2, 3), "f"), np.ones(2, "f")
    layer = L.Linear.from_params(W, b, nobias=nobias)
    np.testing.assert_array_equal(layer.W.array, W)
    assert layer.W.array is not W
    assert (layer.b is None) == nobias


def test_linear_without_an_output_size_is_an_error() -> None:
    with pytest.raises(TypeError, match="output size"):
        L.Linear(None)


@pytest.mark.parametrize("arguments", [(None, 4, 3), (4, 3)])
def test_convolution_reads_its_channels_off_the_first_input(arguments: tuple[Any, ...]) -> None:
    layer = L.Convolution2D(*arguments)
    assert layer.in_channels is None
    assert layer(image()).shape == (2, 4, 4, 3)
    assert layer.W.shape == (4, 3, 3, 3)
    assert layer.in_channels == 3


def test_convolution_passes_its_window_on(device: Device, host: Host) -> None:
    layer = L.Convolution2D(4, 6, (3, 2), stride=(2, 1), pad=(1, 0), dilate=(1, 2), groups=2)
    layer.to_device(device)
    x = device.send(image(4))
    expected = F.convolution_2d(x, layer.W, layer.b, (2, 1), (1, 0), dilate=(1, 2), groups=2)
    np.testing.assert_array_equal(host(layer(x)), host(expected))
    assert expected.shape == (2, 6, 3, 3)


@pytest.mark.parametrize(
    ("keywords", "error", "text"),
    [
        ({"groups": 2}, ValueError, "in_channels=3, groups=2"),
        ({"stride": 0}, ValueError, "stride=0"),
        ({"pad": (1, 2, 3)}, ValueError, "pad="),
    ],
)
def test_convolution_refuses_bad_windows(keywords: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        L.Convolution2D(3, 4, 3, **keywords)


def test_printing_names_the_arguments() -> None:
    assert str(L.Linear(3, 2)) == "Linear(in_size=3, out_size=2, nobias=False)"
    assert "groups=1" in str(L.Convolution2D(3, 4, 3))


def block(**keywords: Any) -> L.MLPConvolution2D:
    kusari.seed(0)
    return L.MLPConvolution2D(3, (5, 4, 2), 3, pad=1, **keywords)


def plain(link: L.MLPConvolution2D, x: Any) -> kusari.Variable:
    first, *rest = list(link)
    h = F.convolution_2d(x, first.W, first.b, first.stride, first.pad)
    for conv in rest:
        h = F.convolution_2d(link.activation(h), conv.W, conv.b)
    return h


def test_the_block_is_one_function_with_the_chain_s_values_and_gradients(device: Device, host: Host) -> None:
    link = block()
    link.to_device(device)
    x = kusari.Variable(device.send(image()))
    assert functions_run(lambda: link(x)) == ["MLPConvolution2DFunction"]
    results = []
    for y in (link(x), plain(link, x)):
        link.cleargrads()
        x.cleargrad()
        F.sum(y * y).backward()
        results.append([host(y), host(x.grad), *(host(p.grad) for p in link.params())])
    for fused, chain in zip(*results, strict=True):
        np.testing.assert_allclose(fused, chain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("inner", [F.relu, F.sin])
@pytest.mark.parametrize(("after", "nodes"), [(F.relu, 0), (F.tanh, 0), (F.sin, 1)])
def test_an_activation_after_the_block_goes_into_its_node_where_kernels_know_it(
    inner: Any, after: Any, nodes: int, device: Device, host: Host
) -> None:
    link = block(activation=inner)
    link.to_device(device)
    x = kusari.Variable(device.send(image()))
    ran = functions_run(lambda: link(x, output_activation=after))
    if inner is F.relu:
        assert len(ran) == 1 + nodes
    weights, biases = [conv.W for conv in link], [conv.b for conv in link]
    results = []
    for y in (
        after(plain(link, x)),
        link(x, output_activation=after),
        F.mlp_convolution_2d(x, weights, biases, 1, 1, inner, output_activation=after),
    ):
        link.cleargrads()
        x.cleargrad()
        F.sum(y * y).backward()
        results.append([host(y), host(x.grad), *(host(p.grad) for p in link.params())])
    for chain, *fused in zip(*results, strict=True):
        for value in fused:
            np.testing.assert_allclose(value, chain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["activation", "output_activation"])
def test_what_is_no_activation_is_refused(name: str) -> None:
    x, W, b = np.ones((1, 1, 3, 3), "f"), np.ones((1, 1, 1, 1), "f"), np.zeros(1, "f")
    wrong: dict[str, Any] = {name: "relu"}
    with pytest.raises(TypeError, match=f"{name}='relu': expected a function"):
        F.mlp_convolution_2d(x, [W], [b], **wrong)
    if name == "activation":
        with pytest.raises(TypeError, match="expected a function"):
            F.convolution_2d(x, W, b, **wrong)
        with pytest.raises(TypeError, match="expected a function"):
            F.linear(x[0, 0], np.ones((2, 3), "f"), **wrong)


def test_the_block_s_second_gradients_are_the_chain_s(device: Device, host: Host) -> None:
    if "float64" not in device.backend.dtypes:
        pytest.skip(f"{device} has no float64")
    with kusari.using_config("dtype", "float64"):
        link = block(activation=F.tanh)
    link.to_device(device)
    results = []
    for call in (link, lambda x: plain(link, x)):
        x = kusari.Variable(device.send(image(dtype="d")))
        y = call(x)
        (gx,) = kusari.grad([F.sum(y * y)], [x], enable_double_backprop=True)
        link.cleargrads()
        F.sum(gx * gx).backward()
        results.append([host(x.grad), *(host(p.grad) for p in link.params())])
    for fused, chain in zip(*results, strict=True):
        np.testing.assert_allclose(fused, chain, rtol=1e-9, atol=1e-11)


def _subclassed(link: L.MLPConvolution2D) -> None:
    class Other(L.Convolution2D):
        pass

    link[1] = Other(5, 4, 1)


def _own_forward(link: L.MLPConvolution2D) -> None:
    conv = link[1]
    conv.forward = type(conv).forward.__get__(conv)  # type: ignore[method-assign]


def _hooked(link: L.MLPConvolution2D) -> None:
    class Watch(kusari.LinkHook):
        name = "watch"

    link[0].add_hook(Watch())


def _without_bias(link: L.MLPConvolution2D) -> None:
    link[1] = L.Convolution2D(5, 4, 1, nobias=True)


def _wide(link: L.MLPConvolution2D) -> None:
    link[1] = L.Convolution2D(5, 4, 3, pad=1)


def _strided(link: L.MLPConvolution2D) -> None:
    link[2] = L.Convolution2D(4, 2, 1, stride=2)


def _uninitialized(link: L.MLPConvolution2D) -> None:
    link[1] = L.Convolution2D(None, 4, 1)


def _untagged(link: L.MLPConvolution2D) -> None:
    link.activation = lambda h: F.relu(h)


def _grouped(link: L.MLPConvolution2D) -> None:
    link[1] = L.Convolution2D(5, 5, 1, groups=5)
    link[2] = L.Convolution2D(5, 2, 1)


def _dilated(link: L.MLPConvolution2D) -> None:
    link[0] = L.Convolution2D(3, 5, 2, dilate=2)


def _own_call(link: L.MLPConvolution2D) -> None:
    link[2].__call__ = lambda x: x


def _double(link: L.MLPConvolution2D) -> None:
    link[1].W.array = link[1].W.array.astype("d")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_subclassed, "is a Other"),
        (_own_forward, "forward of its own"),
        (_hooked, "has a link hook"),
        (_without_bias, "has no bias"),
        (_wide, "not 1×1"),
        (_strided, "not 1×1"),
        (_uninitialized, "not initialized"),
        (_untagged, "not an activation that kernels know"),
        (_grouped, "groups or dilation"),
        (_dilated, "groups or dilation"),
        (_own_call, "forward of its own"),
        (_double, "float64"),
    ],
)
def test_the_block_runs_as_the_chain_where_fusion_would_be_seen(
    change: Callable[[L.MLPConvolution2D], None], reason: str
) -> None:
    link = block()
    change(link)
    x = kusari.Variable(image())
    assert reason in (link.why_not_fused(x) or "")
    ran = functions_run(lambda: link(x))
    assert "MLPConvolution2DFunction" not in ran
    assert ran.count("Convolution2DFunction") == 3


def test_global_link_hooks_see_the_children_unless_they_say_that_they_do_not() -> None:
    class Watch(kusari.LinkHook):
        name = "watch"

        def __init__(self) -> None:
            self.seen: list[str] = []

        def forward_preprocess(self, args: Any) -> None:
            self.seen.append(type(args.link).__name__)

    class Profiler(Watch):
        observes_children = False

    link, x = block(), kusari.Variable(image())
    with Watch() as watch:
        link(x)
    assert watch.seen == ["MLPConvolution2D", *["Convolution2D"] * 3]
    with Profiler() as profiler:
        link(x)
    assert profiler.seen == ["MLPConvolution2D"]


def test_a_convolution_on_another_device_is_not_fused_and_the_error_names_it(strict: Backend) -> None:
    link, x = block(), kusari.Variable(image())
    link[1].to_device("strict")
    assert link.why_not_fused(x) == "convolution 1 is on strict:0, the input on numpy"
    with pytest.raises(ValueError, match="strict") as caught:
        link(x)
    assert caught.value.__notes__[-1] == "at link /1 (Convolution2D)"


def test_parameters_that_are_not_trained_do_not_hinder(device: Device) -> None:
    link = block()
    link.to_device(device)
    link[1].W.requires_grad = False
    x = kusari.Variable(device.send(image()))
    assert link.why_not_fused(x) is None
    F.sum(link(x)).backward()
    assert link[0].W.grad is not None


def test_the_activation_is_read_at_every_call_and_survives_a_shared_copy() -> None:
    link, x = block(), image()
    link.activation = F.tanh
    for other in (link, link.copy("share")):
        np.testing.assert_allclose(other(x).array, plain(link, x).array, rtol=1e-4, atol=1e-5)


def test_debug_mode_runs_the_chain() -> None:
    link, x = block(), kusari.Variable(image())
    with kusari.using_config("debug", True):
        assert link.why_not_fused(x) == "debug mode checks every step"
        assert "MLPConvolution2DFunction" not in functions_run(lambda: link(x))


def test_edits_of_the_list_change_the_computation() -> None:
    link, x = block(), image()
    link.append(L.Convolution2D(2, 7, 1))
    assert link(x).shape == (2, 7, 6, 5)
    link.clear()
    with pytest.raises(IndexError):
        link(x)


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "text"),
    [
        ((3, (4,), 3, 1, 0, F.relu, None), {}, TypeError, "positional"),
        ((3, (4,), 3), {"wscale": 1}, ValueError, "conv_init"),
        ((3, (4,), 3), {"initial": 1}, TypeError, "initial"),
        ((3, 4, 3), {}, TypeError, "sequence"),
        ((3, (4, 5)), {}, TypeError, "sequence"),
        ((3, (), 3), {}, AssertionError, "at least one"),
    ],
)
def test_the_block_refuses_bad_arguments(
    arguments: tuple[Any, ...], keywords: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        L.MLPConvolution2D(*arguments, **keywords)


def test_the_input_channels_may_be_left_out() -> None:
    link = L.MLPConvolution2D((4, 5), 3, pad=1)
    assert link[0].W.array is None
    assert link[1].W.shape == (5, 4, 1, 1)
    assert link(image()).shape == (2, 5, 6, 5)


def test_a_single_convolution_has_no_activation() -> None:
    link = L.MLPConvolution2D(3, (4,), 3, activation=None)
    x = image()
    np.testing.assert_allclose(link(x).array, F.convolution_2d(x, link[0].W, link[0].b).array, rtol=1e-6)


def test_no_activation_fails_when_it_is_needed() -> None:
    link = L.MLPConvolution2D(3, (4, 5), 3, activation=None)
    with pytest.raises(TypeError):
        link(image())


def test_a_link_as_activation_warns_that_it_is_not_registered() -> None:
    with pytest.warns(UserWarning, match="not registered"):
        link = L.MLPConvolution2D(3, (4, 5), 3, activation=L.Linear(2, 2))
    assert len(list(link.params())) == 4


def test_parameters_are_named_by_their_place() -> None:
    assert [name for name, _ in block().namedparams()] == ["/0/W", "/0/b", "/1/W", "/1/b", "/2/W", "/2/b"]


def test_the_block_pickles() -> None:
    link = pickle.loads(pickle.dumps(block()))
    assert link(image()).shape == (2, 2, 6, 5)


def test_an_error_in_a_layer_names_the_path_to_it() -> None:
    class Model(kusari.Chain):
        def __init__(self) -> None:
            super().__init__()
            with self.init_scope():
                self.body = block()

        def forward(self, x: Any) -> Any:
            return self.body(x)

    with pytest.raises(kusari.autograd.type_check.InvalidType) as caught:
        Model()(image(channels=4))
    assert "/body" in "\n".join([str(caught.value), *caught.value.__notes__])


def test_weights_given_twice_get_each_gradient_once_in_double_backprop_too() -> None:
    x = kusari.Variable(np.random.default_rng(0).standard_normal((1, 2, 3, 3)))
    W = kusari.Variable(np.random.default_rng(1).standard_normal((2, 2, 1, 1)))
    b = kusari.Variable(np.zeros(2))
    gradients = []
    for twice in (False, True):
        W.cleargrad()
        F.sum(F.mlp_convolution_2d(x, [W, W], [b, b])).backward(enable_double_backprop=twice)
        gradients.append(W.grad)
    np.testing.assert_allclose(gradients[1], gradients[0])
