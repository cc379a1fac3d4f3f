"""What a step releases, and when: no reference cycles on the normal path."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from kusari.autograd import (
    Variable,
    no_backprop_mode,
)

Array = Callable[..., Any]
Make = Callable[..., Variable]
Host = Callable[[Any], np.ndarray[Any, Any]]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("double", [False, True])
def test_a_step_leaves_no_cycles(variable: Make, double: bool) -> None:
    x, w = variable([[1.0, 2.0]]), variable([[3.0], [4.0]])

    def step() -> list[weakref.ref[Any]]:
        hidden = x @ w
        y = 2.0**hidden * hidden  # retains inputs and outputs
        loss = (y[0] / 3 - hidden.reshape(1)).sum()
        loss.backward(enable_double_backprop=double)
        things = [hidden, y, loss]
        return [weakref.ref(thing) for one in things for thing in (one, one.node, one.creator_node)]

    references = step()
    if double:
        # The gradients' own graph holds the step's until they go: on purpose, and without a cycle.
        x.cleargrad()
        w.cleargrad()
    assert [reference() for reference in references] == [None] * len(references)


@pytest.mark.usefixtures("no_collector")
def test_no_gradient_no_graph_nothing_left(variable: Make) -> None:
    x = variable([1.0])
    with no_backprop_mode():
        hidden = x * 2
        array_of_hidden = weakref.ref(hidden)
        y = hidden + 1
        del hidden
    assert array_of_hidden() is None
    assert y.creator_node is None


@pytest.mark.usefixtures("no_collector")
def test_arrays_that_no_function_needs_are_released_at_once(variable: Make, host: Host) -> None:
    x = variable([1.0])
    hidden = x + 1  # + keeps nothing
    y = hidden + 2
    gone = weakref.ref(hidden)
    kept = weakref.ref(hidden.node)
    del hidden
    assert gone() is None
    assert kept() is not None  # the graph's side lives on
    assert kept().data is None  # type: ignore[union-attr]
    y.sum().backward()
    np.testing.assert_array_equal(host(x.grad), [1])


@pytest.mark.usefixtures("no_collector")
def test_an_error_does_not_keep_the_graph(variable: Make) -> None:
    x = variable([1.0, 2.0])
    hidden = x * 2
    gone = weakref.ref(hidden.node)
    with pytest.raises(Exception, match=r"shape|broadcast") as caught:
        hidden + variable([1.0, 2.0, 3.0])
    assert "float64[2]" in caught.value.__notes__[0]
    del caught, hidden
    assert gone() is None
