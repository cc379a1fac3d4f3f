"""Array modules, devices, transfers and random sources with one fault each must fail the test that is meant for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kusari.backend import Backend, get_backend
from kusari.backend.array_api import NAMES
from kusari.backend.random import HostRandom
from kusari.backend.stream import WallTimer
from kusari.kernels import activation

Register = Callable[[Backend], Backend]
L0 = ("kusari_testkit.conformance.test_l0_names",)
DEVICE = ("kusari_testkit.conformance.test_l1_device",)
RANDOM = ("kusari_testkit.conformance.test_l1_random",)


class AliasingToHost(Backend):
    def to_host(self, array: Any) -> Any:
        return array._array


class AliasingFromHost(Backend):
    def from_host(self, array: Any, index: int = 0, copy: bool = True, non_blocking: bool = False) -> Any:
        return self.xp.from_dlpack(array) if array.flags.writeable else super().from_host(array, index, copy)


class LostIndex(Backend):
    def from_host(self, array: Any, index: int = 0, copy: bool = True, non_blocking: bool = False) -> Any:
        return super().from_host(array, 0, copy)


class OneIndexForAll(Backend):
    def index_of(self, array: Any) -> int:
        return 0


class TransferInPlace(Backend):
    def transfer(self, array: Any, index: int) -> Any:
        array._device = self.device(index)
        return array


class NarrowingTransfer(Backend):
    def from_host(self, array: Any, index: int = 0, copy: bool = True, non_blocking: bool = False) -> Any:
        narrow = array.astype("float32") if array.dtype == "float64" else array
        return super().from_host(narrow, index, copy)


class NoError(Backend):
    def device(self, index: int) -> Any:
        return self.devices()[index % len(self.devices())]


class BackwardTimer(WallTimer):
    def stop(self) -> float:
        return -super().stop()


class BackwardTime(Backend):
    def timer(self) -> Any:
        return BackwardTimer(self)


class NeverCurrent(Backend):
    def is_current(self, index: int) -> bool:
        return False

    def use(self, index: int) -> Any:
        return contextlib.nullcontext()


DEVICES = [
    (AliasingToHost, "test_to_host_copies", "changed the device's"),
    (AliasingFromHost, "test_from_host_copies", "writing to the host's array changed the device's"),
    (LostIndex, "test_an_array_is_where_it_was_sent", "sent to 1, found on 0"),
    (OneIndexForAll, "test_an_array_is_where_it_was_sent", "sent to 1, found on 0"),
    (TransferInPlace, "test_transfers_between_devices_copy", "assert"),
    (NarrowingTransfer, "test_every_dtype_survives_the_way_there_and_back", "float64"),
    (NoError, "test_devices_are_numbered_from_0", "DID NOT RAISE"),
    (BackwardTime, "test_streams_events_and_the_timer", "assert"),
    (NeverCurrent, "test_the_device_can_be_made_current", "assert"),
]


@pytest.fixture
def make(array_api: Callable[[], Any], registered: Register) -> Callable[..., Backend]:
    """Return a function that makes a root backend called ``wrong`` of a class, over arrays of its own class."""

    def made(kind: type[Backend] = Backend) -> Backend:
        xp = array_api()
        return registered(kind("wrong", xp, (type(xp.empty(0)),)))

    return made


def test_the_default_is_right(make: Callable[..., Backend], run_kit: Any) -> None:
    make()
    outcome = run_kit("--backend", "wrong:0", "--backend", "wrong:1", modules=(*L0, *DEVICE, *RANDOM))
    assert outcome.failed == {}
    assert len(outcome.passed) > 80


@pytest.mark.parametrize(("kind", "test", "text"), DEVICES, ids=[kind.__name__ for kind, _, _ in DEVICES])
def test_a_wrong_device_fails_the_test_meant_for_it(
    make: Callable[..., Backend], run_kit: Any, kind: type[Backend], test: str, text: str
) -> None:
    make(kind)
    outcome = run_kit("--backend", "wrong", modules=DEVICE)
    assert text in outcome.text_of(test), "\n".join(outcome.failed)


def test_transfers_that_change_the_memory_format(registered: Register, run_kit: Any) -> None:
    class Rearranging(Backend):
        def to_host(self, array: Any) -> Any:
            return np.array(array, order="C")

    registered(Rearranging("wrong", np, base=get_backend("numpy")))
    outcome = run_kit("--backend", "wrong", modules=DEVICE)
    assert "to_host changed the memory format" in outcome.text_of("test_memory_formats_survive_transfers")


def test_a_kernel_that_leaves_the_device(make: Callable[..., Backend], run_kit: Any) -> None:
    backend = make()

    @backend.implements(activation.relu)
    def on_the_first_device(backend: Backend, x: Any) -> Any:
        return backend.xp.maximum(x, 0).to_device(backend.device(0))

    kernels = ("kusari_testkit.conformance.test_l2_kernels",)
    assert run_kit("--backend", "wrong:0", "--case", "relu:image", modules=kernels).failed == {}
    outcome = run_kit("--backend", "wrong:1", "--case", "relu:image", modules=kernels)
    assert "is on device 0, its inputs are on 1" in outcome.text_of("test_result_type")


def test_a_step_that_reads_a_value(make: Callable[..., Backend], run_kit: Any) -> None:
    module = ("kusari_testkit.conformance.test_synchronization",)
    backend = make()
    assert run_kit("--backend", "wrong", modules=module).failed == {}

    @backend.implements(activation.relu_grad)
    def branching(backend: Backend, y: Any, gy: Any) -> Any:
        positive = y > 0
        return gy if bool(backend.xp.all(positive)) else backend.xp.where(positive, gy, 0)

    outcome = run_kit("--backend", "wrong", modules=module)
    assert "__bool__() within a step" in outcome.text_of("test_a_training_step_reads_nothing")


class SameNumbers(HostRandom):
    """Ignore the seed."""

    def __init__(self, backend: Backend, seed: Any = None) -> None:
        super().__init__(backend, 5)


class FreshNumbers(HostRandom):
    """Ignore the seed, the other way."""

    def __init__(self, backend: Backend, seed: Any = None) -> None:
        super().__init__(backend, None)


class ReachesTheEnd(HostRandom):
    """Round up to the upper end."""

    def uniform(self, shape: Any, dtype: Any, low: float = 0.0, high: float = 1.0, index: int = 0) -> Any:
        drawn = self.generator.uniform(low, high, shape)
        return self._send(np.where(drawn > high - (high - low) / 500, high, drawn), dtype, index)


class NeverTheLast(HostRandom):
    def integers(self, shape: Any, low: int, high: int, dtype: Any, index: int = 0) -> Any:
        return super().integers(shape, low, high - 1, dtype, index)


class WrongDeviation(HostRandom):
    def normal(self, shape: Any, dtype: Any, mean: float = 0.0, std: float = 1.0, index: int = 0) -> Any:
        return super().normal(shape, dtype, mean, std**2, index)


class NoState(HostRandom):
    def set_state(self, state: Any) -> None:
        return


RANDOMS = [
    (SameNumbers, "test_one_seed_gives_the_same_numbers", "another seed gives the same numbers"),
    (FreshNumbers, "test_one_seed_gives_the_same_numbers", "not equal"),
    (ReachesTheEnd, "test_uniform_stays_below_its_upper_end", "assert"),
    (NeverTheLast, "test_integers_reach_both_ends", "equal"),
    (WrongDeviation, "test_normal_has_the_mean_and_the_deviation", "assert"),
    (NoState, "test_the_state_can_be_saved", "not equal"),
]


@pytest.mark.parametrize(("source", "test", "text"), RANDOMS, ids=[source.__name__ for source, _, _ in RANDOMS])
def test_a_wrong_random_source_fails_the_test_meant_for_it(
    registered: Register, run_kit: Any, source: type[HostRandom], test: str, text: str
) -> None:
    class Wrong(Backend):
        def random(self, seed: int | None = None) -> Any:
            return source(self, seed)

    registered(Wrong("wrong", np, base=get_backend("numpy")))
    outcome = run_kit("--backend", "wrong", modules=RANDOM)
    assert text in outcome.text_of(test), "\n".join(outcome.failed)


def test_a_name_that_is_missing(registered: Register, run_kit: Any) -> None:
    xp = SimpleNamespace(__name__="half_a_module", **{name: getattr(np, name) for name in NAMES - {"vecdot"}})
    registered(Backend("wrong", xp, base=get_backend("numpy")))
    outcome = run_kit("--backend", "wrong", modules=L0)
    assert "half_a_module lacks vecdot" in outcome.text_of("test_the_array_module_has_every_name")


def test_dtypes_that_are_mixed_up(registered: Register, run_kit: Any) -> None:
    class Wrong(Backend):
        def native_dtype(self, dtype: Any) -> Any:
            native = super().native_dtype(dtype)
            return np.dtype("float32") if native == np.float16 else native

    registered(Wrong("wrong", np, base=get_backend("numpy")))
    outcome = run_kit("--backend", "wrong", modules=L0)
    assert outcome.text_of("test_dtypes_map_both_ways")
