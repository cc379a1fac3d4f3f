"""Errors name the path to the link: in forward, in backward, in second derivatives, and in what is computed again."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L
from kusari.autograd import FunctionNode, Variable


class Fragile(FunctionNode):
    """y = x, whose gradient (or its gradient's) fails."""

    def __init__(self, sound: int = 0) -> None:
        self.sound = sound

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return inputs

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Any, ...]) -> tuple[Variable, ...]:
        if not self.sound:
            raise ArithmeticError("no gradient today")
        return Fragile(self.sound - 1).apply(grad_outputs)


class Layer(kusari.Link):
    """A layer with a weight in front of a function that fails."""

    def __init__(self, sound: int = 0) -> None:
        super().__init__()
        self.sound = sound
        with self.init_scope():
            self.W = kusari.Parameter(1, (2,))

    def forward(self, x: Any) -> Variable:
        return Fragile(self.sound).apply((self.W * x,))[0]


class Model(kusari.Chain):
    """A model whose path to the layer is ``/body/1``."""

    def __init__(self, layer: kusari.Link | None = None) -> None:
        super().__init__()
        with self.init_scope():
            self.body = kusari.Sequential(L.Linear(2, 2), Layer() if layer is None else layer)

    def forward(self, x: Any) -> Variable:
        return F.sum(self.body(x))


def notes(run: Callable[[], Any], error: type[Exception] = ArithmeticError) -> list[str]:
    with pytest.raises(error) as caught:
        run()
    return list(caught.value.__notes__)


X = np.ones((1, 2), "f")
NOTE = "in backward of Fragile(float32[1, 2]) on numpy, applied at link /body/1 (Layer)"


def test_an_error_in_backward_names_the_path() -> None:
    assert notes(Model()(X).backward) == [NOTE]


def test_also_with_hooks_and_in_debug_mode() -> None:
    loss = Model()(X)
    with kusari.function_hooks.TimerHook():
        assert notes(loss.backward) == [NOTE]
    with kusari.using_config("debug", True):
        assert notes(Model()(X).backward) == [NOTE]


def test_also_through_grad() -> None:
    model = Model()
    assert notes(lambda: kusari.grad([model(X)], [model.body[0].W])) == [NOTE]


def test_an_error_in_a_second_derivative_names_the_path() -> None:
    model = Model(Layer(sound=1))
    x = Variable(X)
    loss = model(x) ** 2
    (gx,) = kusari.grad([loss], [x], enable_double_backprop=True)
    assert notes(F.sum(gx).backward)[0] == NOTE


def test_an_error_in_what_forget_computes_again_names_the_path() -> None:
    class Forgetting(kusari.Chain):
        def __init__(self) -> None:
            super().__init__()
            with self.init_scope():
                self.layer = Layer()

        def forward(self, x: Any) -> Variable:
            return F.forget(self.layer, x)

    first = notes(Model(Forgetting())(Variable(X)).backward)
    assert first == [
        "in backward of Fragile(float32[1, 2]) on numpy, applied at link /body/1/layer (Layer)",
        "in backward of Forget(float32[1, 2]) on numpy, applied at link /body/1 (Forgetting)",
    ]


def test_outside_of_links_there_is_no_path() -> None:
    y = Fragile().apply((Variable(X),))[0]
    assert notes(F.sum(y).backward) == ["in backward of Fragile(float32[1, 2]) on numpy"]


def test_a_failed_call_leaves_no_path_behind() -> None:
    with pytest.raises(kusari.utils.type_check.InvalidType):
        Model()(np.ones((1, 3), "f"))
    test_outside_of_links_there_is_no_path()


def test_a_backward_within_a_link_names_both() -> None:
    class Penalty(kusari.Chain):
        def __init__(self) -> None:
            super().__init__()
            with self.init_scope():
                self.model = Model()

        def forward(self, x: Any) -> Variable:
            loss = self.model(x)
            loss.backward()
            return loss

    backward = NOTE.replace("/body", "/model/body")
    assert notes(lambda: Penalty()(X)) == [backward, "at link / (Penalty)"]


def test_a_link_in_another_thread_has_a_path_of_its_own() -> None:
    found: list[list[str]] = []

    class Starting(kusari.Chain):
        def forward(self, x: Any) -> Any:
            thread = threading.Thread(target=lambda: found.append(notes(Model()(x).backward)))
            thread.start()
            thread.join()

    Starting()(X)
    assert found == [[NOTE]]


def test_a_link_without_a_name_is_left_out() -> None:
    class Loose(kusari.Link):
        def forward(self, x: Any) -> Any:
            return Layer()(x)

    assert notes(Loose()(X).sum().backward)[0].endswith("applied at link / (Layer)")
    model = Model(Loose())
    assert notes(model(X).backward)[0].endswith("applied at link /body/1 (Layer)")


def test_a_graph_does_not_hold_the_links_it_was_made_in() -> None:
    """Else a link that keeps its loss would be in a cycle with it, and memory would wait for the collector."""

    class Keeping(Model):
        def forward(self, x: Any) -> Variable:
            self.loss = super().forward(x)
            return self.loss

    gc.disable()
    try:
        model = Keeping(L.Linear(2, 2))
        loss = model(X)
        gone = weakref.ref(model), weakref.ref(loss.creator_node)
        del model, loss
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()
