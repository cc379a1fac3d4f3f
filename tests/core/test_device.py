"""Devices: names, identity, which kernels are in force, and what arrays that do not meet say."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import FunctionNode, Variable
from kusari.backend import (
    Backend,
    BackendSpec,
    Device,
    backend_of_array,
    copyto,
    default_device,
    device_of_array,
    get_array_module,
    get_backend,
    get_device,
    get_device_from_array,
    registry,
    use_backend,
    using_device,
)
from kusari.errors import BackendUnavailable, DeviceMismatch, UnknownBackend
from kusari.kernels.activation import relu
from kusari.types import Array


class ReLU(FunctionNode):
    """relu by its kernel, so that whose kernel ran can be seen."""

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
        return (relu(self.backend, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable, ...]) -> tuple[Variable, ...]:
        return (ReLU().apply(grad_outputs)[0],)


@pytest.fixture
def siblings() -> Iterator[tuple[Backend, Backend]]:
    """Two kernel sets over NumPy's memory, ``one`` and ``two``; each one's relu returns its own number."""
    made = []
    for name in ("one", "two"):
        backend = registry.add(Backend(name, np, base=get_backend("numpy")))

        @backend.implements(relu)
        def tagged(backend: Backend, x: Array) -> Array:
            return x * 0 + {"one": 1, "two": 2}[backend.name]

        made.append(backend)
    yield made[0], made[1]
    for backend in made:
        registry.remove(backend.name)
        backend.root._above.remove(backend)


def ran(x: Any) -> float:
    """Return the number that relu leaves on ``x``: 0 for NumPy's own kernel."""
    (y,) = ReLU().apply((x,))
    return float(y.array[0])


# Names and identity. ------------------------------------------------------------------------------------------------
def test_names(strict: Backend) -> None:
    assert get_device("numpy").name == "numpy"
    assert get_device("strict").name == str(get_device("strict")) == "strict:0"
    assert get_device("strict:1").index == 1
    device = get_device("strict:1")
    assert get_device(device) is device
    assert device.xp is strict.xp
    assert device.native == strict.device(1)
    assert device.supported_array_types == strict.array_types
    assert repr(device) == "<device strict:1>"


def test_one_name_is_one_object(strict: Backend) -> None:
    assert get_device("strict:1") is get_device("strict:1") is not get_device("strict:0")
    assert get_device("strict:0") is get_device("strict")
    made: list[Device] = []
    threads = [threading.Thread(target=lambda: made.append(get_device("strict:2"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(device) for device in made}) == 1


def test_copies_and_pickles_are_the_same_object(device: Device) -> None:
    assert copy.copy(device) is device
    assert copy.deepcopy({"there": device})["there"] is device
    assert pickle.loads(pickle.dumps(device)) is device
    unpinned = Device(device.backend, 0, pinned=False)
    assert unpinned is not device
    assert pickle.loads(pickle.dumps(unpinned)) is unpinned


@pytest.mark.parametrize(
    ("older", "name"), [("@numpy", "numpy"), (-1, "numpy"), ("-1", "numpy"), (np.int64(-3), "numpy")]
)
def test_older_forms(older: Any, name: str) -> None:
    assert get_device(older) is get_device(name)


@pytest.mark.parametrize("older", [0, "0", "@cupy:0", 3, "cupy:0"])
def test_older_forms_of_a_gpu_mean_the_gpus_backend(older: Any) -> None:
    try:
        backend = get_backend("cupy")
    except (BackendUnavailable, UnknownBackend) as error:
        with pytest.raises(type(error), match="cupy"):
            get_device(older)
    else:
        with using_device(get_device("cupy:0")):
            assert get_device("@cupy:0").backend is backend


@pytest.mark.parametrize(
    ("specifier", "error", "text"),
    [
        ("@cupy", ValueError, "expected an index, @cupy:0 say"),
        ("@numpy:0", ValueError, "expected no index"),
        ("@nosuch:0", ValueError, "no such module; expected @numpy or @cupy:N"),
        ("numpy:0", ValueError, "the host has one memory; write 'numpy'"),
        ("strict:x", ValueError, "expected a number after ':'"),
        ("strict:", ValueError, "expected a number after ':'"),
        ("strict:99", ValueError, r"has \d+ device\(s\), numbered from 0; asked for 99"),
        (None, TypeError, "expected a Device, a name such as 'numpy' or 'cupy:0', or an int; got NoneType"),
        (1.5, TypeError, "got float"),
        ("nosuch", UnknownBackend, "no backend is called 'nosuch'; installed: .*numpy.*pip install"),
    ],
)
def test_what_is_no_device(strict: Backend, specifier: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        get_device(specifier)


def test_a_device_is_no_context_manager(device: Device) -> None:
    with pytest.raises(RuntimeError, match=r"write with using_device\(device\): instead"), device:
        pass
    with using_device(device) as current:
        assert current is device


# Moving arrays. -----------------------------------------------------------------------------------------------------
def test_send_copies_only_what_is_elsewhere(strict: Backend) -> None:
    there, here = get_device("strict:1"), np.asarray([1.0, 2.0])
    sent = there.send(here)
    assert there.holds(sent)
    assert not get_device("strict:0").holds(sent)
    assert there.send(sent) is sent
    assert there.send(None) is None
    pair = there.send([here, (sent, None)])
    assert pair[1][0] is sent
    assert isinstance(pair[1], tuple)
    other = get_device("strict:2").send(sent)
    assert device_of_array(other) is get_device("strict:2")
    back = get_device("numpy").send(other)
    assert isinstance(back, np.ndarray)
    np.testing.assert_array_equal(back, here)


def test_what_a_device_supports_and_how_it_is_made_current(strict: Backend, device: Device) -> None:
    mine = device.send(np.ones(2))
    assert device.is_array_supported(mine)
    assert isinstance(mine, device.supported_array_types)
    assert not device.is_array_supported([1.0])
    other = get_device("numpy" if device.backend is strict else "strict:1")
    assert not device.is_array_supported(other.send(np.ones(2)))
    device.use()
    with device.create_context():
        assert device.backend.is_current(device.index)


def test_a_variable_of_a_graph_moves_out_of_it(strict: Backend) -> None:
    """What differentiates through a transfer is `kusari.functions.copy`."""
    x = Variable(np.asarray([1.0, 2.0]))
    moved, copied = x * 2, F.copy(x * 2, "strict:0")
    moved.to_device("strict:0")
    assert moved.device is copied.device is get_device("strict:0")
    np.testing.assert_array_equal(strict.to_host(moved.array), strict.to_host(copied.array))
    copied.sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 2])


def test_send_refuses_what_is_no_array(device: Device) -> None:
    with pytest.raises(TypeError, match=r"no backend has arrays of type builtins\.str; installed backends: .*numpy"):
        device.send("text")


def test_which_device_arrays_are_on(strict: Backend) -> None:
    host, away = np.ones(2), strict.from_host(np.ones(2), 1)
    assert device_of_array(away) is get_device("strict:1")
    assert get_device_from_array(host, away) is get_device("strict:1")
    assert get_device_from_array(Variable(away), host) is get_device("strict:1")
    assert get_device_from_array(host) is get_device("numpy") is get_device_from_array()
    assert get_array_module(Variable(away)) is strict.xp
    assert get_array_module(host, 1.0, None) is np


def test_a_removed_backend_is_forgotten() -> None:
    class OwnArray:
        """An array of a library that exists for a moment."""

    backend = registry.add(Backend("own", np, (OwnArray,)))
    assert backend_of_array(OwnArray()) is backend
    registry.remove("own")
    with pytest.raises(TypeError, match=r"no backend has arrays of type .*OwnArray; installed backends: .*numpy"):
        backend_of_array(OwnArray())


def test_a_backend_that_fails_to_open_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Unknown:
        """An array that nobody knows."""

    Unknown.__module__ = "lost.arrays"
    (tmp_path / "failing_backend.py").write_text("raise RuntimeError('half installed')\n")
    monkeypatch.syspath_prepend(tmp_path)
    specs = [
        BackendSpec("failing", "failing_backend:open", contract=1),
        BackendSpec("lost", "nosuch_module:open", contract=1),
        BackendSpec("unrelated", "nosuch_module:open", contract=1),  # not a word of it: many may be installed so
    ]
    for spec in specs:
        registry.register(spec)
    try:
        with pytest.raises(TypeError) as caught:
            backend_of_array(Unknown())
    finally:
        for spec in specs:
            registry.remove(spec.name)
    failing, lost = str(caught.value).split("; ")[-2:]
    assert failing == "backend 'failing' does not open: RuntimeError: half installed"
    assert lost.startswith("backend 'lost' does not open: BackendUnavailable: ")
    assert "nosuch_module" in lost


def test_copyto_crosses_devices_and_dtypes(strict: Backend) -> None:
    target = strict.from_host(np.zeros((2, 2), "float32"), 1)
    copyto(target, np.asarray([1, 2]))
    np.testing.assert_array_equal(strict.to_host(target), [[1, 2], [1, 2]])
    assert target.dtype == strict.xp.float32
    onto_host = np.zeros(2)
    copyto(onto_host, target[0, :])
    np.testing.assert_array_equal(onto_host, [1, 2])


# Whose kernels run: use_backend > the label of to_device > KUSARI_BACKEND > the array's own backend. ------------------
def test_precedence(siblings: tuple[Backend, Backend], monkeypatch: pytest.MonkeyPatch) -> None:
    array = -np.ones(1)
    plain, labelled = Variable(array), Variable(array)
    labelled.to_device("one")
    assert labelled.array is array  # the memory is the same: nothing was copied
    assert (ran(plain), ran(labelled)) == (0, 1)
    with use_backend("two"):
        assert (ran(plain), ran(labelled), ran(array)) == (2, 2, 2)
        with use_backend("numpy"):
            assert (ran(plain), ran(labelled)) == (0, 0)
        assert ran(plain) == 2
    monkeypatch.setenv("KUSARI_BACKEND", "two")
    assert (ran(Variable(array)), ran(array), ran(labelled)) == (2, 2, 1)
    with use_backend("one"):
        assert ran(array) == 1
    assert default_device().backend.name == "two"
    assert not default_device().pinned


def test_a_preferred_backend_applies_to_its_own_memory_only(
    siblings: tuple[Backend, Backend], strict: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUSARI_BACKEND", "two")
    assert device_of_array(strict.from_host(np.ones(1))) is get_device("strict:0")
    monkeypatch.setenv("KUSARI_BACKEND", "nosuch")
    with pytest.raises(UnknownBackend, match="no backend is called 'nosuch'"):
        device_of_array(np.ones(1))


def test_outputs_and_gradients_keep_the_kernels_that_made_them(siblings: tuple[Backend, Backend]) -> None:
    x = Variable(-np.ones(1))
    with use_backend("one"):
        (y,) = ReLU().apply((x,))
    assert y.device is get_device("one")
    assert x.device is get_device("numpy")
    assert (y + 1).device is get_device("one")
    y.grad = np.ones(1)
    with use_backend("two"):  # backward follows the labels, not what is active when it is called
        y.backward()
    assert x.grad[0] == 1


def test_use_backend_is_of_one_thread(siblings: tuple[Backend, Backend]) -> None:
    seen = []
    with use_backend("one"):
        thread = threading.Thread(target=lambda: seen.append(ran(-np.ones(1))))
        thread.start()
        thread.join()
        assert ran(-np.ones(1)) == 1
    assert seen == [0]


def test_use_backend_ends_with_an_exception(siblings: tuple[Backend, Backend]) -> None:
    with pytest.raises(ZeroDivisionError), use_backend("one"):
        raise ZeroDivisionError
    assert ran(-np.ones(1)) == 0


# What does not meet. ------------------------------------------------------------------------------------------------
def test_a_host_array_is_not_transferred_behind_your_back(strict: Backend) -> None:
    with pytest.raises(DeviceMismatch) as caught:
        Variable(strict.from_host(np.ones(2))) + np.ones(2)
    text = str(caught.value)
    assert text.startswith("_ + _: inputs are on strict:0 and numpy")
    assert "get_device('strict:0').send(array)" in text


def test_two_devices_of_one_backend(strict: Backend) -> None:
    pair = [Variable(strict.from_host(np.ones(2), index)) for index in (0, 1)]
    with pytest.raises(DeviceMismatch, match=r"on strict:0 and strict:1; move one with to_device\('strict:0'\)"):
        pair[0] * pair[1]
    pair[1].to_device("strict:0")
    assert (pair[0] * pair[1]).device is get_device("strict:0")


def test_sibling_kernel_sets_over_one_memory(siblings: tuple[Backend, Backend]) -> None:
    a, b, plain = (Variable(np.ones(2)) for _ in range(3))
    a.to_device("one")
    b.to_device("two")
    assert (a + plain).device is (plain + a).device is get_device("one")  # the more specific label
    with pytest.raises(DeviceMismatch, match=r"labelled one and two, two kernel sets over one memory; .*use_backend"):
        a + b
    with use_backend("two"):  # as the message says
        assert (a + b).device is get_device("two")


def test_use_backend_on_memory_that_is_not_its_own(strict: Backend) -> None:
    with use_backend("numpy"), pytest.raises(DeviceMismatch) as caught:
        Variable(strict.from_host(np.ones(2))) + 1
    assert "use_backend('numpy') cannot run on arrays of strict:0; move them with to_device('numpy')" in str(
        caught.value
    )


def test_each_variable_moves_with_its_gradient(strict: Backend, array: Callable[..., Any]) -> None:
    x = Variable(array([1.0, 2.0]))
    (x * x).sum().backward()
    for name, kind in (("strict:1", strict.array_types), ("numpy", (np.ndarray,)), ("strict:2", strict.array_types)):
        x.to_device(name)
        assert isinstance(x.array, kind)
        assert isinstance(x.grad, kind)
        assert x.device is get_device(name) is x.grad_var.device  # type: ignore[union-attr]
    np.testing.assert_array_equal(strict.to_host(x.grad), [2, 4])
    (x * 3).sum().backward()
    np.testing.assert_array_equal(strict.to_host(x.grad), [5, 7])
