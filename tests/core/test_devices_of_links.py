"""Moving links: what moves, what stays, visitors, and the moves of old programs."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from kusari.backend import Backend, Device, get_device, registry
from kusari.model import (
    Chain,
    ChainList,
    DeviceResident,
    DeviceResidentsVisitor,
    Link,
    LinkHook,
    Parameter,
    Sequential,
    legacy,
)

HOST = "numpy"


def model() -> Chain:
    chain = Chain(a=Link(W=(2,), late=None), b=ChainList(Link(V=(2,))))
    chain.a.add_persistent("mean", np.zeros(3))
    chain.a.add_persistent("count", 3)
    chain.a.add_persistent("scalar", np.float32(1))
    chain.a.add_persistent("list", [np.zeros(1)])
    chain.a.plain = np.zeros(1)
    return chain


def on(backend: Backend, array: Any) -> bool:
    return isinstance(array, backend.array_types)


def ignoring(method: Any, *args: Any) -> Any:
    """Call a deprecated method without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method(*args)


# What moves.


def test_parameters_gradients_and_persistent_arrays_move_and_the_rest_stays(strict: Backend) -> None:
    chain = model()
    assert chain.to_device("strict") is chain
    device = Device(strict)
    assert [link.device for link in chain.links()] == [device] * 4
    assert chain.xp is strict.xp
    assert [param.device for param in chain.params()] == [device] * 3
    assert on(strict, chain.a.W.array)
    assert on(strict, chain.a.W.grad)
    assert on(strict, chain.b[0].V.array)
    assert on(strict, chain.a.mean)
    assert (chain.a.count, chain.a.scalar) == (3, 1)
    assert isinstance(chain.a.scalar, np.float32)
    assert isinstance(chain.a.list[0], np.ndarray)
    assert isinstance(chain.a.plain, np.ndarray)
    chain.a.late.initialize((2,))
    assert on(strict, chain.a.late.array)
    chain.to_device(HOST)
    assert isinstance(chain.a.mean, np.ndarray)
    assert isinstance(chain.a.late.grad, np.ndarray)


def test_moving_to_where_everything_is_keeps_the_arrays() -> None:
    chain = model()
    W, mean, version = chain.a.W.array, chain.a.mean, chain.a.W.version
    chain.to_device(HOST)
    assert chain.a.W.array is W
    assert chain.a.mean is mean
    assert chain.a.W.version == version


def test_moving_between_devices_of_one_backend(strict: Backend) -> None:
    link = Link(W=(2,)).to_device("strict:0").to_device("strict:1")
    assert strict.index_of(link.W.array) == 1
    assert link.device.index == 1


def test_only_parameters_without_data_adopt_the_link_s_device(strict: Backend) -> None:
    link = Link()
    link.to_device("strict")
    with link.init_scope():
        link.late = Parameter(1)
        link.early = Parameter(1, (2,))
    link.add_param("W", (2,))
    assert link.late.device is Device(strict)
    assert link.W.device is Device(strict)
    assert on(strict, link.W.array)
    assert link.early.device is get_device(HOST)


def test_a_link_that_never_moved_leaves_a_parameter_s_device_alone(strict: Backend) -> None:
    param = Parameter(1)
    param.to_device("strict")
    link = Link()
    with link.init_scope():
        link.W = param
    assert param.device is Device(strict)


def test_a_child_registered_after_a_move_keeps_its_device(strict: Backend) -> None:
    chain = Chain().to_device("strict")
    with chain.init_scope():
        chain.a = Link(W=(1,))
    assert chain.device is Device(strict)
    assert chain.a.device is get_device(HOST)


def test_copies_keep_the_device(strict: Backend) -> None:
    chain = model().to_device("strict")
    for mode in ("share", "copy", "init"):
        copied = chain.copy(mode)
        assert copied.a.device is Device(strict)
        assert on(strict, copied.a.W.array)
        assert on(strict, copied.a.mean)
    assert on(strict, Sequential(chain.a).to_device("strict").copy("init")[0].W.array)


def test_shared_copies_stay_shared_through_a_move(strict: Backend) -> None:
    repeated = Link(W=(2,)).repeat(2, "share").to_device("strict")
    assert repeated[0].W.array is repeated[1].W.array
    assert on(strict, repeated[0].W.array)


def test_more_is_moved_by_extending_device_resident_accept(strict: Backend) -> None:
    class Stateful(Link):
        def __init__(self) -> None:
            super().__init__()
            self.state = np.zeros(2)
            self.other = Link(W=(1,))

        def device_resident_accept(self, visitor: Any) -> None:
            super().device_resident_accept(visitor)
            self.state = visitor.visit_array(self.state)
            self.other.device_resident_accept(visitor)

    chain = Chain(a=Stateful()).to_device("strict")
    assert on(strict, chain.a.state)
    assert on(strict, chain.a.other.W.array)


def test_a_resident_that_is_no_link_moves_too(strict: Backend) -> None:
    resident = DeviceResident()
    assert resident.device is get_device(HOST)
    assert resident.to_device("strict").device is Device(strict)


def test_a_visitor_sees_residents_then_their_parameters_and_arrays_then_children() -> None:
    class Logging(DeviceResidentsVisitor):
        def __init__(self) -> None:
            self.log: list[Any] = []

        def visit_device_resident(self, device_resident: Any) -> None:
            self.log.append(device_resident.name)

        def visit_array(self, arr: Any) -> Any:
            self.log.append(arr.shape)
            return arr

        def visit_variable(self, param: Parameter) -> None:
            self.log.append(param.name)

    visitor = Logging()
    model().device_resident_accept(visitor)
    assert visitor.log == [None, "a", "W", "late", (3,), "b", "0", "V"]


@pytest.mark.parametrize("method", ["visit_device_resident", "visit_array", "visit_variable"])
def test_a_visitor_without_a_method_says_so(method: str) -> None:
    with pytest.raises(NotImplementedError, match=method):
        getattr(DeviceResidentsVisitor(), method)(None)


@pytest.mark.parametrize("name", ["nowhere", "strict:99"])
def test_a_device_that_is_not_there_moves_nothing(strict: Backend, name: str) -> None:
    chain = model()
    with pytest.raises((LookupError, ValueError)):
        chain.to_device(name)
    assert isinstance(chain.a.W.array, np.ndarray)
    assert chain.device is get_device(HOST)


def test_links_run_where_they_are(device: Device) -> None:
    class Square(Link):
        def forward(self, x: Any) -> Any:
            return (self.W * x).sum()

    link = Square(W=(2,))
    link.W.array[...] = 3
    link.to_device(device)
    link.cleargrads()
    link(device.send(np.asarray([1.0, 2.0], "f"))).backward()
    assert device.backend.to_host(link.W.grad).tolist() == [1, 2]


# The moves of old programs.


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, strict: Backend) -> Backend:
    """Let numbers of GPUs mean devices of ``strict``."""

    def fake(specifier: Any) -> Device:
        return Device(strict, specifier) if isinstance(specifier, int) else get_device(specifier)

    monkeypatch.setattr(legacy, "get_device", fake)
    return strict


def test_to_cpu_moves_to_the_host(strict: Backend) -> None:
    chain = model().to_device("strict")
    with pytest.warns(DeprecationWarning, match="to_device"):
        assert chain.to_cpu() is chain
    assert isinstance(chain.a.W.array, np.ndarray)
    assert chain.device is get_device(HOST)


def test_to_gpu_moves_to_the_current_or_the_named_gpu(gpu: Backend) -> None:
    first, second = model(), model()
    with pytest.warns(DeprecationWarning, match="to_device"):
        assert first.to_gpu() is first
    ignoring(second.to_gpu, 1)
    assert [gpu.index_of(chain.a.W.array) for chain in (first, second)] == [0, 1]
    assert [gpu.index_of(chain.a.mean) for chain in (first, second)] == [0, 1]
    assert [chain.a.late.device.index for chain in (first, second)] == [0, 1]
    assert [chain.device.index for chain in (first, second)] == [0, 1]
    assert ignoring(lambda: (first._device_id, second.a._device_id, Link()._device_id)) == (0, 1, None)


def test_to_gpu_leaves_what_is_on_a_gpu_and_warns_where_it_is_another_one(gpu: Backend) -> None:
    chain = Chain(a=Link(W=(1,)), b=Link(W=(1,)))
    chain.a.add_persistent("n", np.zeros(1))
    chain.a.to_device("strict:1")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chain.to_gpu(0)
    assert sorted(item.category.__name__ for item in caught) == ["DeprecationWarning"] + ["RuntimeWarning"] * 2
    assert [gpu.index_of(param.array) for param in chain.params()] == [1, 0]
    assert [link.device.index for link in chain.links()] == [0, 1, 0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chain.a.to_gpu(1)
    assert [item.category for item in caught] == [DeprecationWarning]


def test_without_a_gpu_to_gpu_names_what_to_install() -> None:
    try:
        get_device("cupy:0")
    except (RuntimeError, LookupError):
        with pytest.raises(RuntimeError, match="cupy"):
            ignoring(Link().to_gpu)
    else:
        pytest.skip("this machine has a GPU")


def test_an_unknown_gpu_backend_is_a_runtime_error_that_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legacy, "get_device", lambda specifier: get_device("never-heard-of"))
    with pytest.raises(RuntimeError, match="pip install kusari-backend-never-heard-of"):
        ignoring(Link().to_gpu)


def test_names_of_libraries_that_have_ended_say_what_to_install_instead() -> None:
    link = Link()
    with pytest.raises(RuntimeError, match=r"pip install kusari-backend-numpy\[fast\]"):
        ignoring(link.to_intel64)
    for method in (link.to_chx, link.to_chainerx):
        with pytest.raises(RuntimeError, match="pip install kusari-backend-cupy"):
            ignoring(method)
    assert link.from_chx() is link
    assert ignoring(link.from_chainerx) is link
    for method in (link.to_chainerx, link.from_chainerx):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(DeprecationWarning):
                method()


def test_a_backend_called_intel64_is_moved_to() -> None:
    backend = registry.add(Backend("intel64", np, base=get_device(HOST).backend))
    try:
        link = Link(W=(1,))
        ignoring(link.to_intel64)
        assert link.device.backend is backend
        assert link.W.device.name == "intel64"
    finally:
        registry.remove("intel64")


class Old(Link):
    """What an old program wrote to move an attribute."""

    def __init__(self) -> None:
        super().__init__()
        with self.init_scope():
            self.W = Parameter(0, (1,))
        self.state = np.zeros(1)
        self.moves: list[Any] = []


def old_program() -> type[Old]:
    def define() -> type[Old]:
        class OldProgram(Old):
            def to_cpu(self) -> Any:
                super().to_cpu()
                self.moves.append("cpu")
                self.state = get_device(HOST).send(self.state)
                return self

            def to_gpu(self, device: Any = None) -> Any:
                super().to_gpu(device)
                self.moves.append(device)
                self.state = self.device.send(self.state)
                return self

        return OldProgram

    made: type[Old] = ignoring(define)
    return made


def test_an_old_program_s_own_moves_run_once_and_in_a_parent_s_move_too(gpu: Backend) -> None:
    chain = Chain(a=Sequential(old_program()()))
    old = chain.a[0]
    ignoring(chain.to_device, "strict:1")
    assert on(gpu, old.state)
    assert on(gpu, old.W.array)
    assert old.device.index == 1
    ignoring(chain.to_cpu)
    assert isinstance(old.state, np.ndarray)
    assert isinstance(old.W.array, np.ndarray)
    ignoring(chain.to_gpu, 0)
    ignoring(old.to_cpu)
    ignoring(old.to_device, "strict:0")
    assert old.moves == [1, "cpu", 0, "cpu", 0]
    assert on(gpu, old.state)


def test_an_old_move_may_be_written_over_to_device(strict: Backend) -> None:
    def define() -> type[Old]:
        class Direct(Old):
            def to_gpu(self, device: Any = None) -> Any:
                self.moves.append(device)
                return self.to_device("strict:1")

        return Direct

    old: Old = ignoring(define)()
    Chain(a=old).to_device("strict:1")
    assert old.moves == [1]
    assert strict.index_of(old.W.array) == 1


def test_defining_a_move_anew_warns_and_defining_to_device_is_refused() -> None:
    for name in ("to_cpu", "to_gpu", "to_intel64"):
        with pytest.warns(DeprecationWarning, match=f"{name}.*device_resident_accept"):
            type("Old", (Chain,), {name: lambda self: self})
    for name in ("to_device", "to_chx", "from_chx", "to_chainerx", "from_chainerx"):
        for base in (DeviceResident, Link, ChainList):
            with pytest.raises(TypeError, match=f"{name}.*device_resident_accept"):
                type("New", (base,), {name: lambda self: self})


def test_hooks_and_names_survive_a_move(strict: Backend) -> None:
    chain = model()
    chain.a.add_hook(LinkHook())
    chain.to_device("strict")
    assert list(chain.a.local_link_hooks) == ["LinkHook"]
    assert [path for path, _ in chain.namedparams()] == ["/a/W", "/a/late", "/b/0/V"]
