"""Messages: each says what was wrong, what was expected and what to do, in the words of the person who reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari import errors
from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.backend import Backend, find_kernel, get_backend, get_device, use_backend
from kusari.dtypes import host_dtype

MISTAKES: dict[str, tuple[Callable[[Backend], Any], type[Exception], tuple[str, ...]]] = {
    "a host array and a device's Variable": (
        lambda strict: Variable(strict.from_host(np.ones(2))) @ np.ones(2),
        errors.DeviceMismatch,
        ("_ @ _", "strict:0 and numpy", "get_device('strict:0').send(array)"),
    ),
    "two devices": (
        lambda strict: Variable(strict.from_host(np.ones(2), 1)) + Variable(strict.from_host(np.ones(2), 2)),
        errors.DeviceMismatch,
        ("_ + _", "strict:1 and strict:2", "to_device('strict:1')", "to_device('strict:2')"),
    ),
    "kernels that cannot run there": (
        lambda strict: _under("strict", lambda: Variable(np.ones(2)) + 1),
        errors.DeviceMismatch,
        ("use_backend('strict')", "arrays of numpy", "to_device('strict') first"),
    ),
    "an unknown backend": (
        lambda strict: get_backend("numpi"),
        errors.UnknownBackend,
        ("'numpi'", "installed: ", "numpy", "pip install"),
    ),
    "an unknown device": (lambda strict: get_device("nosuch:1"), errors.UnknownBackend, ("'nosuch'", "installed: ")),
    "a missing kernel": (
        lambda strict: find_kernel("sigmoidd"),
        errors.UnknownKernel,
        ("'sigmoidd'", "did you mean", "sigmoid"),
    ),
    "two dtypes": (
        lambda strict: Variable(np.ones(2, "float32")) + Variable(np.ones(2, "float64")),
        errors.InvalidType,
        ("_ + _ (Forward)", "operands of one dtype", "F.cast", "float32 != float64"),
    ),
    "a dtype that the library lacks": (
        lambda strict: strict.native_dtype("float16"),
        TypeError,
        ("'strict'", "'float16'", "it has", "float32"),
    ),
    "no dtype": (lambda strict: host_dtype("float99"), TypeError, ("float99",)),
    "no array": (lambda strict: Variable([1.0, 2.0]), TypeError, ("expected an array, got list", "installed backends")),
    "no array in a function": (lambda strict: as_variable("x"), TypeError, ("expected an array, got str",)),
    "an old keyword": (lambda strict: Variable(np.ones(1), volatile=True), ValueError, ("no_backprop_mode()",)),
    "an unknown keyword": (
        lambda strict: Variable(np.ones(1), colour=1),
        TypeError,
        ("colour", "expected name, grad, requires_grad"),
    ),
    "a gradient of another shape": (
        lambda strict: Variable(np.ones(2), grad=np.ones(3)),
        ValueError,
        ("(3,)", "expected (2,)"),
    ),
    "a gradient of another dtype": (
        lambda strict: Variable(np.ones(2), grad=np.ones(2, "f")),
        TypeError,
        ("float32", "expected float64"),
    ),
    "a gradient of another library": (
        lambda strict: Variable(np.ones(2), grad=strict.from_host(np.ones(2))),
        TypeError,
        ("gradient of type Array", "expected ndarray"),
    ),
    "backward without a gradient": (
        lambda strict: (Variable(np.ones((2, 3))) * 2).backward(),
        RuntimeError,
        ("(2, 3)", "set y.grad first", "F.sum(y)"),
    ),
    "a Variable's truth": (lambda strict: bool(Variable(np.ones(1))), TypeError, ("no truth value", "array")),
    "Variables compared": (
        lambda strict: Variable(np.ones(1)) == Variable(np.ones(1)),
        TypeError,
        ("compare their arrays", "`is`"),
    ),
    "an index that is none": (
        lambda strict: Variable(np.ones(3))[1.5],
        IndexError,
        ("index 1.5", "expected integers, slices, None"),
    ),
}


def _under(backend: str, function: Callable[[], Any]) -> Any:
    with use_backend(backend):
        return function()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_a_mistake_says(strict: Backend, mistake: str) -> None:
    action, kind, words = MISTAKES[mistake]
    with pytest.raises(kind) as caught:
        action(strict)
    text = str(caught.value)
    assert [word for word in words if word not in text] == [], text


def test_every_error_is_a_builtin_kind_too() -> None:
    # Programs that catch the standard library's exceptions go on working.
    kinds = {
        "BackendUnavailable": RuntimeError,
        "DeviceMismatch": ValueError,
        "PluginConflict": RuntimeError,
        "SignatureMismatch": TypeError,
        "SynchronizationError": RuntimeError,
        "UnknownBackend": LookupError,
        "UnknownKernel": LookupError,
    }
    for name, kind in kinds.items():
        assert issubclass(getattr(errors, name), kind)
        assert getattr(errors, name).__doc__


def test_an_invalid_type_keeps_its_parts() -> None:
    error = errors.InvalidType("x.ndim == 2", "3 != 2")
    assert (error.expect, error.actual) == ("x.ndim == 2", "3 != 2")
    assert str(error) == "Expect: x.ndim == 2\nActual: 3 != 2"


class Broken(FunctionNode):
    """A function that fails where it is told to."""

    def __init__(self, where: str) -> None:
        self.where = where

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.where == "forward":
            raise ZeroDivisionError("inside")
        return (inputs[0] * 1,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable, ...]) -> Any:
        if self.where == "backward":
            raise ZeroDivisionError("inside")
        return {"too many": (None, None, None), "raw": (grad_outputs[0].array,)}[self.where]


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_notes_name_the_function_its_inputs_and_the_device(
    backend: Backend, array: Callable[..., Any], where: str
) -> None:
    x, y = Variable(array(np.ones((2, 3)))), Variable(array([1, 2], "int32"))
    with pytest.raises(ZeroDivisionError) as caught:
        Broken(where).apply((x, y))[0].sum().backward()
    (note,) = caught.value.__notes__
    assert note.startswith("in backward of Broken(" if where == "backward" else "in Broken(")
    assert "float64[2, 3]" in note
    assert "int32[2]" in note
    assert note.endswith(f"on {x.device.name}")


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("too many", r"Broken\.backward\(\) returned 3 gradients; expected 1, .* \(0,\), or 1, one for each input"),
        ("raw", r"Broken\.backward\(\) returned a \w+; expected Variables or None"),
    ],
)
def test_a_backward_that_returns_something_else(array: Callable[..., Any], where: str, text: str) -> None:
    (y,) = Broken(where).apply((Variable(array([1.0])),))
    with pytest.raises(TypeError, match=text):
        y.sum().backward()


def test_a_forward_that_returns_no_tuple(array: Callable[..., Any]) -> None:
    class Bare(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            return inputs[0]

    with pytest.raises(TypeError, match=r"Bare\.forward\(\) returned \w+; expected a tuple of arrays"):
        Bare().apply((array([1.0]),))


def test_a_function_without_a_forward(array: Callable[..., Any]) -> None:
    class Empty(FunctionNode):
        pass

    with pytest.raises(NotImplementedError, match="Empty defines neither"):
        Empty().apply((array([1.0]),))
