"""Backpropagation that cuts the graph on its way."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import FunctionNode, Variable


class Kept(np.ndarray[Any, Any]):
    """An array that can be referred to weakly."""


class Doubling(FunctionNode):
    """y = 2 x, which keeps an array, and notes in backward how many of all that were kept are left."""

    kept: list[weakref.ref[Any]]
    left: list[int]

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        self.array = np.ones(3).view(Kept)
        self.kept.append(weakref.ref(self.array))
        return (2 * inputs[0],)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        self.left.append(sum(reference() is not None for reference in self.kept))
        return (grad_outputs[0] * 2,)


@pytest.mark.parametrize(("unchain", "left"), [(True, [4, 3, 2, 1]), (False, [4, 4, 4, 4])])
def test_what_was_kept_is_freed_on_the_way(unchain: bool, left: list[int]) -> None:
    Doubling.kept, Doubling.left = [], []
    x = y = Variable(np.asarray(1.0))
    for _ in range(4):
        (y,) = Doubling().apply((y,))
    loss = F.sum(y)
    del y
    gc.disable()  # references alone must free it
    try:
        loss.backward(unchain=unchain)
    finally:
        gc.enable()
    assert x.grad == 16
    assert Doubling.left == left


def graph() -> tuple[Variable, Variable, Variable, Variable]:
    """Return leaves, a Variable between, and a loss: with a branch, several outputs and a leaf that is met twice."""
    x, w = Variable(np.arange(6.0).reshape(2, 3)), Variable(np.full((2, 3), 0.5))
    between = F.tanh(x * w)
    left, right = F.split_axis(between, [1], axis=1)
    return x, w, between, F.sum(left) * F.sum(right * right) + F.sum(w * between)


@pytest.mark.parametrize("loss_scale", [None, 8.0])
def test_gradients_are_the_same(loss_scale: float | None) -> None:
    results = []
    for unchain in (False, True):
        x, w, between, loss = graph()
        loss.backward(loss_scale=loss_scale, unchain=unchain)
        results.append((x.grad, w.grad))
        assert (x.grad_scale, w.grad_scale) == (loss_scale, loss_scale)
        assert (loss.creator is None) == (between.creator is None) == unchain
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_flows_a_second_time() -> None:
    x, w, _, loss = graph()
    loss.backward(unchain=True)
    before = np.array(x.grad), np.array(w.grad)
    loss.backward()
    np.testing.assert_array_equal(before, (x.grad, w.grad))


def test_second_derivatives_need_the_graph() -> None:
    x = Variable(np.asarray(3.0))
    with pytest.raises(ValueError, match="unchain"):
        (x * x * x).backward(enable_double_backprop=True, unchain=True)
    assert x.grad is None
