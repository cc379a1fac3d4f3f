"""What is recorded, and what the edges of a graph are: constants, no_backprop_mode, one Variable given twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kusari.autograd import Variable, backward, grad, no_backprop_mode

Make = Callable[..., Variable]
Host = Callable[[Any], np.ndarray[Any, Any]]


def test_functions_of_constants_are_not_recorded(variable: Make) -> None:
    y = variable([1.0], requires_grad=False) * 2
    assert (y.creator, y.rank, y.requires_grad) == (None, 0, False)


def test_what_no_backprop_mode_made_is_a_constant_afterwards(variable: Make, host: Host) -> None:
    x = variable([2.0])
    with no_backprop_mode():
        h = x * x
    assert (h.creator, h.requires_grad) == (None, False)
    (h * x).sum().backward()
    assert h.grad is None
    assert host(x.grad).tolist() == [4]


def test_an_output_given_twice_counts_twice(variable: Make, host: Host) -> None:
    x = variable(3.0)
    y = x * x
    (gx,) = grad([y, y], [x])
    assert gx is not None
    assert host(gx) == 12


def test_backward_of_several_losses_starts_each_from_one(variable: Make, host: Host) -> None:
    x = variable(3.0)
    backward([x * 2, x * x])
    assert host(x.grad) == 2 + 6
