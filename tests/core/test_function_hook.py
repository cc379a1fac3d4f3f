"""Function hooks: their order, whose they are, and what they see."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari.autograd import (
    FunctionHook,
    FunctionNode,
    Variable,
)

Array = Callable[..., Any]
Make = Callable[..., Variable]
Host = Callable[[Any], np.ndarray[Any, Any]]


class Recorder(FunctionHook):
    """Write down what is called."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    def added(self, function: Any) -> None:
        self.log.append(f"{self.name} added {getattr(function, 'label', function)}")

    def deleted(self, function: Any) -> None:
        self.log.append(f"{self.name} deleted {getattr(function, 'label', function)}")

    def forward_preprocess(self, function: Any, in_data: Any) -> None:
        self.log.append(f"{self.name} > {function.label}")

    def forward_postprocess(self, function: Any, in_data: Any) -> None:
        self.log.append(f"{self.name} < {function.label}")

    def backward_preprocess(self, function: Any, in_data: Any, out_grad: Any) -> None:
        assert len(out_grad) == 1
        self.log.append(f"{self.name} >> {function.label}")

    def backward_postprocess(self, function: Any, in_data: Any, out_grad: Any) -> None:
        self.log.append(f"{self.name} << {function.label}")


class Double(FunctionNode):
    """2x."""

    def forward(self, inputs: Any) -> Any:
        return (inputs[0] * 2,)

    def backward(self, indexes: Any, grad_outputs: Any) -> Any:
        return (Double().apply(grad_outputs)[0],)


@pytest.fixture
def log() -> list[str]:
    return []


def test_hooks_of_a_block_and_of_one_function(variable: Make, log: list[str]) -> None:
    function = Double()
    function.add_hook(Recorder("own", log))
    x = variable([1.0])
    with Recorder("first", log), Recorder("second", log):
        function.apply((x,))
    assert log == [
        "own added Double",
        "first added None",
        "second added None",
        *("first > Double", "second > Double", "own > Double"),
        *("first < Double", "second < Double", "own < Double"),
        "second deleted None",
        "first deleted None",
    ]


def test_a_functions_own_hook_takes_its_namesakes_place(variable: Make, log: list[str]) -> None:
    function, own = Double(), []  # type: ignore[var-annotated]
    function.add_hook(Recorder("first", own))
    with Recorder("first", log), Recorder("second", log):
        function.apply((variable([1.0]),))
    assert own == ["first added Double", "first > Double", "first < Double"]
    assert "second > Double" in log
    assert "first > Double" not in log
    assert list(function.local_function_hooks) == ["first"]


def test_what_runs_inside_a_backward_is_seen_between_its_hooks(array: Array, variable: Make, log: list[str]) -> None:
    (y,) = Double().apply((variable([1.0]),))
    y.grad = array([1.0])
    with Recorder("hook", log):
        y.backward()
    assert log[1:-1] == ["hook >> Double", "hook > Double", "hook < Double", "hook << Double"]


def test_hooks_see_the_retained_inputs(variable: Make, host: Host) -> None:
    seen = []

    class Look(FunctionHook):
        def forward_preprocess(self, function: Any, in_data: Any) -> None:
            seen.append([host(a).tolist() for a in in_data])

        def backward_preprocess(self, function: Any, in_data: Any, out_grad: Any) -> None:
            seen.append([None if a is None else host(a).tolist() for a in in_data])

    x, y = variable([2.0]), variable([3.0])
    with Look():
        z = x * y + 1
    w = Double().apply((variable([5.0]),))[0]
    assert seen == [[[2.0], [3.0]], [[6.0]]]
    seen.clear()
    with Look():
        z.sum().backward()
        w.sum().backward()
    assert [[2.0], [3.0]] in seen  # a product keeps both
    assert [None] in seen  # Double keeps nothing


def test_a_hook_is_of_one_thread(array: Array, log: list[str]) -> None:
    with Recorder("hook", log):
        log.clear()
        thread = threading.Thread(target=lambda: Double().apply((array([1.0]),)))
        thread.start()
        thread.join()
        assert log == []


def test_hook_mistakes(array: Array, log: list[str]) -> None:
    function, hook = Double(), Recorder("hook", log)
    with hook:
        with pytest.raises(KeyError, match="a function hook called 'hook' is in force already"), Recorder("hook", []):
            pass
        Double().apply((array([1.0]),))
        assert "hook > Double" in log  # the first stays
    function.add_hook(hook)
    with pytest.raises(KeyError, match="hook 'hook' is registered already"):
        function.add_hook(hook)
    function.add_hook(hook, name="another")
    function.delete_hook("hook")
    assert log[-1] == "hook deleted Double"
    with pytest.raises(KeyError, match="no hook 'nosuch' is registered"):
        function.delete_hook("nosuch")
    with pytest.raises(TypeError, match=r"expected a FunctionHook, got str"):
        function.add_hook("hook")  # type: ignore[arg-type]


def test_hooks_go_after_an_exception(array: Array, log: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), Recorder("hook", log):
        raise ZeroDivisionError
    log.clear()
    Double().apply((array([1.0]),))
    assert log == []
