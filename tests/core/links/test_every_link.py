"""What every layer promises, checked for each: a new layer is covered by a line in link_cases.py."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.core.links.link_cases import CASES, Case, Inputs, numbers

import kusari
import kusari.functions as F
from kusari.autograd import Variable
from kusari.backend import Backend, Device
from kusari.errors import InvalidType
from kusari.gradient_check import check_backward
from kusari.optimizers import SGD
from kusari.serializers import DictionarySerializer, NpzDeserializer


def _from_params(case: Case) -> bool:
    """Return whether layers of the kind are made of arrays."""
    return type(case.make()).from_params.__func__ is not kusari.Link.from_params.__func__  # type: ignore[attr-defined]


every_link = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def outputs(link: Any, inputs: Inputs) -> tuple[Variable, ...]:
    """Call the link, twice where it keeps a state, from its first one and with the same random numbers every time."""
    for one in link.links():
        if hasattr(one, "reset_state"):
            one.reset_state()
    kusari.seed(1)
    if hasattr(link, "reset_state"):
        return (link(*inputs), link(*inputs))
    return tuple(flat(link(*inputs)))


def flat(values: Any) -> list[Any]:
    """Return what lists and tuples hold."""
    if isinstance(values, list | tuple):
        return [leaf for value in values for leaf in flat(value)]
    return [values]


def mapped(values: Any, change: Callable[[Any], Any]) -> Any:
    """Return lists and tuples of changed leaves."""
    if isinstance(values, list | tuple):
        return type(values)(mapped(value, change) for value in values)
    return change(values)


def in_dtype(inputs: Inputs, dtype: str) -> Any:
    return mapped(inputs, lambda a: a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a)


def made(case: Case, dtype: str = "float32", deferred: bool = False) -> tuple[Any, Inputs]:
    """Return a new layer, the same each time, and its inputs."""
    kusari.seed(0)
    with kusari.using_config("dtype", dtype):
        link = case.deferred() if deferred and case.deferred else case.make()
        inputs = in_dtype(case.inputs, dtype)
        outputs(link, inputs)
    link.cleargrads()
    return link, inputs


def host(values: Any) -> list[Any]:
    return [value.device.backend.to_host(value.array) for value in values]


def same(first: Any, second: Any, rtol: float = 1e-6) -> None:
    for one, other in zip(host(first), host(second), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


def saved(link: Any) -> dict[str, Any]:
    serializer = DictionarySerializer()
    serializer.save(link)
    return serializer.target


@every_link
def test_files_hold_the_names_of_old(case: Case) -> None:
    link, _ = made(case)
    assert sorted(saved(link)) == sorted(case.keys.split())


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.deferred], ids=[n for n in CASES if CASES[n].deferred]
)
def test_sizes_left_out_are_read_off_the_first_input(case: Case) -> None:
    assert case.deferred is not None
    fresh = case.deferred()
    assert any(parameter.array is None for parameter in fresh.params())
    str(fresh)
    whole, inputs = made(case)
    late, _ = made(case, deferred=True)
    assert {n: p.shape for n, p in late.namedparams()} == {n: p.shape for n, p in whole.namedparams()}
    with kusari.using_config("train", False):
        late.copyparams(whole)
        same(outputs(late, inputs), outputs(whole, inputs))


@every_link
def test_files_load_into_layers_with_and_without_data(case: Case) -> None:
    link, inputs = made(case)
    stored = saved(link)
    for other in (case.make(), (case.deferred or case.make)()):
        NpzDeserializer(stored).load(other)
        with kusari.using_config("train", False):
            same(outputs(link, inputs), outputs(other, inputs))


@every_link
def test_copies_share_or_own_their_values(case: Case) -> None:
    link, inputs = made(case)
    shared, copied, drawn = (link.copy(mode) for mode in ("share", "copy", "init"))
    with kusari.using_config("train", False):
        expected = outputs(link, inputs)
        same(outputs(shared, inputs), expected)
        same(outputs(copied, inputs), expected)
        outputs(drawn, inputs)
    for (_, own), (_, one), (_, other) in zip(*(x.namedparams() for x in (link, shared, copied)), strict=True):
        assert one.array is own.array
        assert not np.shares_memory(other.array, own.array)
    assert [p.shape for p in drawn.params()] == [p.shape for p in link.params()]


@every_link
@pytest.mark.parametrize("mode", ["share", "copy", "init"])
def test_layers_repeat(case: Case, mode: str) -> None:
    link, inputs = made(case)
    layers = list(link.repeat(2, mode))
    assert [type(layer) for layer in layers] == [type(link)] * 2
    for layer in layers:
        assert {name: p.shape for name, p in layer.namedparams()} == {n: p.shape for n, p in link.namedparams()}
        for (_, own), (_, one) in zip(link.namedparams(), layer.namedparams(), strict=True):
            assert one is not own
            assert (one.array is own.array) == (mode == "share")
    if mode != "init":
        with kusari.using_config("train", False):
            same(outputs(layers[0], inputs), outputs(link, inputs))
            same(outputs(layers[1], inputs), outputs(link, inputs))


class Recorder(kusari.LinkHook):
    """Write down what is called, before and after."""

    name = "recorder"

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []

    def forward_preprocess(self, args: Any) -> None:
        self.calls.append(("before", args.link, args.args))

    def forward_postprocess(self, args: Any) -> None:
        self.calls.append(("after", args.link, args.out))


@every_link
def test_hooks_see_calls_of_the_layer_and_of_its_parts(case: Case) -> None:
    link, inputs = made(case)
    local, everywhere = Recorder(), Recorder()
    link.add_hook(local, "local")
    with everywhere:
        y = link(*inputs)
    (before, first, args), (after, second, out) = local.calls
    assert (before, first, after, second) == ("before", link, "after", link)
    assert out is y
    assert all(one is other for one, other in zip(args, inputs, strict=True))
    assert (everywhere.calls[0][:2], everywhere.calls[-1][:2]) == (("before", link), ("after", link))
    open_calls: list[Any] = []
    for when, called, _ in everywhere.calls:
        if when == "before":
            open_calls.append(called)
        else:
            assert open_calls.pop() is called
    assert not open_calls
    assert {called for _, called, _ in everywhere.calls} <= set(link.links())
    link.delete_hook("local")
    link(*inputs)
    assert len(local.calls) == 2


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if _from_params(case)], ids=[n for n in CASES if _from_params(CASES[n])]
)
def test_layers_are_made_of_arrays(case: Case) -> None:
    link, inputs = made(case)
    names = ("stride", "pad", "outsize", "cover_all", "dilate", "groups", "ignore_label")
    given = {name: getattr(link, name) for name in names if hasattr(link, name)}
    if given.get("groups") == 1:
        del given["groups"]  # a dilated convolution takes none
    arrays = {name: p.array for name, p in link.namedparams()}
    twin = link.from_params(*[arrays[f"/{name}"] for name in "Wb" if f"/{name}" in arrays], **given)
    assert type(twin) is type(link)
    same(outputs(twin, inputs), outputs(link, inputs))


@every_link
def test_layers_pickle(case: Case) -> None:
    link, inputs = made(case)
    with kusari.using_config("train", False):
        same(outputs(pickle.loads(pickle.dumps(link)), inputs), outputs(link, inputs))


@every_link
def test_layers_print_themselves(case: Case) -> None:
    link, _ = made(case)
    assert str(link).startswith(type(link).__name__ + "(")


@every_link
def test_layers_move_between_devices(case: Case, strict: Backend) -> None:
    link, inputs = made(case)
    device = Device(strict)
    with kusari.using_config("train", False):
        expected = host(outputs(link, inputs))
        link.to_device(device)
        there = outputs(link, mapped(inputs, lambda a: device.send(a) if isinstance(a, np.ndarray) else a))
        link.to_device("numpy")
        back = outputs(link, inputs)
    for one, other, third in zip(host(there), expected, host(back), strict=True):
        if not case.draws:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(third, other, rtol=1e-6)


@every_link
def test_gradients_are_those_of_finite_differences(case: Case, device: Device) -> None:
    link, inputs = made(case, "float64")
    link.to_device(device)
    leaves = flat(inputs)
    floats = [a for a in leaves if a is not None and a.dtype.kind == "f"]

    def call(*xs: Variable) -> Any:
        given = iter(xs)
        fixed = mapped(inputs, lambda a: a if a is None else next(given) if a.dtype.kind == "f" else device.send(a))
        return tuple([y for y in outputs(link, fixed) if y.requires_grad])

    arrays = tuple([device.send(a) for a in floats])
    with kusari.using_config("train", case.train):
        gradients = [device.send(numbers(*y.shape, seed=5).astype("d")) for y in call(*map(Variable, arrays))]
        check_backward(call, arrays, tuple(gradients), list(link.params()), eps=1e-4, atol=1e-5, rtol=1e-4)


@every_link
def test_a_training_step_lowers_the_loss(case: Case, device: Device) -> None:
    link, inputs = made(case)
    if not list(link.params()):
        pytest.skip("no parameters")
    link.to_device(device)
    given = mapped(inputs, lambda a: device.send(a) if isinstance(a, np.ndarray) else a)
    optimizer = SGD(case.rate).setup(link)

    def loss() -> Variable:
        total = [F.sum(y) if y.ndim == 0 else F.sum((y - 3) * (y - 3)) for y in outputs(link, given)]
        return sum(total[1:], total[0])

    before = loss()
    link.cleargrads()
    before.backward()
    optimizer.update()
    assert host([loss()])[0] < host([before])[0]


@every_link
def test_bad_input_is_an_error(case: Case) -> None:
    link, inputs = made(case)
    bad = case.bad or (lambda link: link(*[np.asarray(1.0, "f")] * len(inputs)))
    with pytest.raises((InvalidType, TypeError, ValueError)):
        bad(link)
