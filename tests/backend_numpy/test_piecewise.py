"""Expressions without a compiler: equal to the portable definitions, in place where donated, nothing lost by errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.backend_numpy.test_elementwise import KERNELS, operands, results

from kusari.backend import Backend, get_backend
from kusari.backend.expression import NotElementwise, trace
from kusari.kernels import activation
from kusari.types import Array
from kusari_numpy import elementwise
from kusari_numpy.elementwise import FusedExpression
from kusari_numpy.piecewise import Piecewise
from kusari_numpy.threads import get_num_threads, set_num_threads


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let expressions go in pieces of 64 numbers."""

    def refuse(*given: Any) -> None:
        raise NotElementwise("there is no compiler here")

    monkeypatch.setattr(elementwise, "Typed", refuse)
    monkeypatch.setattr(elementwise, "SMALLEST", 0)
    monkeypatch.setattr(Piecewise, "piece", 64)


def fuse(name: str) -> FusedExpression:
    target = KERNELS[name]
    return FusedExpression(trace(target.portable, name, (), target.donates))


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["f", "d", "e"])
@pytest.mark.parametrize("name", sorted(KERNELS))
def test_pieces_give_what_whole_arrays_give(name: str, dtype: str) -> None:
    backend, before = get_backend("numpy"), get_num_threads()
    fused = fuse(name)
    given = operands(name, (3, 5, 23, 7), dtype, ["channels last"], special=True)
    expected = results(KERNELS[name].portable(backend, *given))
    try:
        for threads in (1, 2):
            set_num_threads(threads)
            made = results(fused(backend, *given))
            for a, b in zip(made, expected, strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape)
                np.testing.assert_array_equal(a, b)
    finally:
        set_num_threads(before)


@pytest.mark.usefixtures("no_compiler")
def test_donated_arrays_are_written_in_place() -> None:
    given = [np.array(a) if np.ndim(a) else a for a in operands("adam", (10, 100), "f", ["dense"])]
    expected = KERNELS["adam"].portable(get_backend("numpy"), *(np.array(a) if np.ndim(a) else a for a in given))
    made = fuse("adam")(get_backend("numpy"), *given)
    for result, place, right in zip(made, (0, 2, 3), expected, strict=True):
        assert result is given[place]
        np.testing.assert_array_equal(result, right)


@pytest.mark.usefixtures("no_compiler")
def test_an_error_halfway_leaves_donated_arrays_as_they_were() -> None:
    given = [np.array(a) if np.ndim(a) else a for a in operands("adam", (10, 100), "f", ["dense"])]
    given[1][9, 99] = 1e30  # its square overflows
    before = [np.array(a) for a in given[:4]]
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        fuse("adam")(get_backend("numpy"), *given)
    for a, b in zip(given, before, strict=False):
        np.testing.assert_array_equal(a, b)


def absolute(backend: Backend, x: Array) -> Array:
    made: Array = backend.xp.abs(x)
    return made


def test_what_does_not_go_in_pieces() -> None:
    backend = get_backend("numpy")
    one = trace(absolute, "absolute", ())
    with pytest.raises(NotElementwise, match="one operation"):
        Piecewise(one, [np.dtype("f")])
    x = np.linspace(-1, 1, 100, dtype="f")
    np.testing.assert_array_equal(activation.relu(backend, x), np.maximum(x, 0))
    pieces = Piecewise(trace(KERNELS["adam"].portable, "adam", ()), [np.dtype("f")] * 4)
    assert pieces.takes(Piecewise.piece)
    assert not pieces.takes(Piecewise.piece - 1)
    with np.errstate(invalid="raise"):
        assert not pieces.takes(Piecewise.piece)
