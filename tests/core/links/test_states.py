"""Stateful layers: what is given as a state stays its owner's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.links as L
from kusari.autograd import Variable
from kusari.backend import Backend, Device, get_device

MAKE: dict[str, Callable[[], Any]] = {
    "LSTM": lambda: L.LSTM(3, 20),
    "StatefulGRU": lambda: L.StatefulGRU(3, 20),
    "StatefulMGU": lambda: L.StatefulMGU(3, 20),
    "StatefulPeepholeLSTM": lambda: L.StatefulPeepholeLSTM(3, 20),
    "StatefulZoneoutLSTM": lambda: L.StatefulZoneoutLSTM(3, 20),
}


@pytest.fixture(params=MAKE)
def layer(request: pytest.FixtureRequest) -> Any:
    kusari.seed(0)  # of zoneout, under which some units stay as they were
    return MAKE[request.param]()


def given_for(layer: Any) -> list[Variable]:
    return [Variable(np.full((1, 20), 0.5, "f")) for _ in layer.states]


def test_on_the_layer_s_device_the_very_variables_are_the_state(layer: Any) -> None:
    given = given_for(layer)
    layer.set_state(*given)
    assert [getattr(layer, name) is v for name, v in zip(layer.states, given, strict=True)] == [True] * len(given)


def test_a_state_from_elsewhere_is_copied_and_stays_where_it_is(layer: Any, strict: Backend) -> None:
    there, here = Device(strict), get_device("numpy")
    layer.to_device(there)
    given = given_for(layer)
    arrays = [v.array for v in given]
    layer.set_state(*given)
    for name, v, array in zip(layer.states, given, arrays, strict=True):
        state = getattr(layer, name)
        assert (v.device, state.device) == (here, there)
        assert v.array is array
        np.testing.assert_array_equal(strict.to_host(state.array), array)


def test_gradients_reach_a_state_that_was_copied(layer: Any, strict: Backend) -> None:
    layer.to_device(Device(strict))
    given = given_for(layer)
    layer.set_state(*given)
    y = layer(strict.from_host(np.ones((1, 3), "f")))
    y.sum().backward()
    for v in given:
        assert isinstance(v.grad, np.ndarray)
        assert np.isfinite(v.grad).all()
        assert (v.grad != 0).any()


def test_arrays_are_states_too(layer: Any, strict: Backend) -> None:
    layer.to_device(Device(strict))
    layer.set_state(*[v.array for v in given_for(layer)])
    assert {getattr(layer, name).device for name in layer.states} == {Device(strict)}
