"""Calling a link: what runs, what an error says, debug mode; links.Parameter."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from tests.core.example_links import Scale, paths

from kusari.autograd import Variable
from kusari.backend import Backend, Device
from kusari.configuration import using_config
from kusari.links.connection.parameter import Parameter as ParameterLink
from kusari.model import Chain, Link, Sequential

# Calling.


def test_a_link_without_forward_fails_when_it_is_called() -> None:
    with pytest.raises(AttributeError, match="forward"):
        Link()(1)


def test_an_instance_s_own_forward_is_called() -> None:
    link = Scale()
    link.forward = lambda x: x + 1
    assert link(1) == 2


def test_a_base_s_call_goes_before_forward() -> None:
    class Mixin:
        def __call__(self, x: Any) -> Any:
            return ("mixin", x)

    class Mixed(Link, Mixin):
        def forward(self, x: Any) -> Any:
            return ("forward", x)

    class Below(Mixed):
        pass

    assert Mixed()(1) == Below()(1) == ("mixin", 1)


def test_an_error_says_which_link_it_passed_through() -> None:
    class Broken(Link):
        def forward(self, x: Any) -> Any:
            raise ValueError("broken")

    model = Chain(block1=Sequential(Broken()))
    model.forward = model.block1
    with pytest.raises(ValueError, match="broken") as caught:
        model(1)
    assert caught.value.__notes__ == ["at link /block1/0 (Broken)"]
    with pytest.raises(ValueError, match="broken") as alone:
        Broken()(1)
    assert alone.value.__notes__ == ["at link / (Broken)"]


def test_a_function_s_error_keeps_its_own_note() -> None:
    link = Scale()
    with pytest.raises(Exception, match="operands of one dtype") as caught:
        Sequential(link)(Variable(np.ones(2)))
    assert caught.value.__notes__[-1] == "at link /0 (Scale)"


def test_debug_mode_checks_a_link_s_parameters_when_it_is_called() -> None:
    link = Scale()
    with using_config("debug", True):
        link(np.ones(2, "f"))
        link.W.array[0] = 7
        with pytest.raises(RuntimeError, match="'W' was changed in place") as caught:
            link(np.ones(2, "f"))
        assert caught.value.__notes__ == ["at link / (Scale)"]
        link.W.touch()
        assert link(np.ones(2, "f")).array.tolist() == [7, 2]


# links.Parameter.


def test_a_parameter_link_holds_the_array_itself_and_returns_it(backend: Backend) -> None:
    array = backend.from_host(np.arange(3.0))
    link = ParameterLink(array)
    assert link.W.array is array
    assert link.device is Device(backend)
    assert paths(link) == ["/W"]
    link.cleargrads()
    y = link()
    assert y is not link.W
    assert backend.to_host(y.array).tolist() == [0, 1, 2]
    (y * 2).sum().backward()
    assert backend.to_host(link.W.grad).tolist() == [2, 2, 2]
    assert link("on").array is array
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        link(volatile="off")


def test_a_parameter_link_takes_integers_and_needs_a_shape() -> None:
    assert ParameterLink(np.arange(3)).W.dtype == np.int64
    with pytest.raises(AttributeError):
        ParameterLink([1, 2])
