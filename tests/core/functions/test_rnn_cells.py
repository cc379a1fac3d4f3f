"""LSTM cells: bad input, sequences that end, and what is kept. Values and gradients are in the testkit's tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import Variable, no_backprop_mode
from kusari.backend import Backend, use_backend
from kusari.errors import InvalidType
from kusari.functions.rnn.lstm import LSTM
from kusari.kernels import rnn as kernels

Array = Callable[..., Any]
Host = Callable[[Any], np.ndarray[Any, Any]]


def test_ended_sequences_keep_their_cells_and_gradients(array: Array, host: Host) -> None:
    c = Variable(array(np.arange(8.0).reshape(4, 2)))
    c_next, y = F.lstm(c, array(np.zeros((2, 8))))
    assert y.shape == (2, 2)
    np.testing.assert_array_equal(host(c_next)[2:], host(c)[2:])
    c_next.grad = array(np.full((4, 2), 3.0))
    c_next.backward()
    np.testing.assert_array_equal(host(c.grad), [[1.5, 1.5]] * 2 + [[3, 3]] * 2)  # the forget gate is half open


@pytest.mark.parametrize(
    ("cells", "x", "message"),
    [
        ((3, 2), (4, 8), r"shape\[0\]"),
        ((3, 2), (3, 7), r"shape\[1\]"),
        ((3, 2, 5), (3, 8, 4), r"shape\[2:"),
        ((2,), (8,), "ndim"),
        ((3, 2), (3, 8, 1), "ndim"),
    ],
)
def test_lstm_refuses_shapes(array: Array, cells: tuple[int, ...], x: tuple[int, ...], message: str) -> None:
    with pytest.raises(InvalidType, match=message):
        F.lstm(array(np.ones(cells)), array(np.ones(x)))


def test_dtypes_must_agree(array: Array) -> None:
    c, x = array(np.ones((1, 1)), "float32"), array(np.ones((1, 4)))
    with pytest.raises(InvalidType, match="dtype"):
        F.lstm(c, x)
    with pytest.raises(InvalidType, match="dtype"):
        F.slstm(c, c, x, x)
    with pytest.raises(InvalidType, match="dtype"):
        F.tree_lstm(c, x)
    with pytest.raises(InvalidType, match="floating"):
        F.lstm(array([[1]], "int32"), x)


def test_slstm_refuses_shapes(array: Array) -> None:
    c, x = array(np.ones((2, 3))), array(np.ones((2, 12)))
    for arguments in ((c[:1, :], c, x, x), (c, c, x, x[:1, :]), (c, c, x[:1, :], x[:1, :]), (c, c, x[:, :8], x[:, :8])):
        with pytest.raises(InvalidType, match="shape"):
            F.slstm(*arguments)


def test_tree_lstm_refuses_shapes(array: Array) -> None:
    c = array(np.ones((2, 3)))
    with pytest.raises(InvalidType, match=r"size(\(\))? >= 2"):
        F.tree_lstm(c)
    with pytest.raises(InvalidType, match=r"shape\[1\]"):
        F.tree_lstm(c, c, array(np.ones((2, 12))))
    with pytest.raises(InvalidType, match="shape"):
        F.tree_lstm(c, c[:1, :], array(np.ones((2, 15))))


@pytest.mark.parametrize("output", ["c", "y"])
def test_one_output_may_go_unused(array: Array, host: Host, output: str) -> None:
    rng = np.random.default_rng(0)
    c, x = Variable(array(rng.normal(size=(2, 3)))), Variable(array(rng.normal(size=(2, 12))))
    c_next, y = F.lstm(c, x)
    used = c_next if output == "c" else y
    used.grad = array(np.ones((2, 3)))
    used.backward()
    o_gate = host(x.grad).reshape(2, 3, 4)[:, :, 3]
    assert np.all(o_gate == 0) if output == "c" else np.all(o_gate != 0)
    assert np.all(host(c.grad) != 0)


class RecomputingLSTM(kernels.LSTM):
    """Keeps nothing: backward opens the gates again, as a fused kernel would."""

    contract = 1

    def forward(self, c_prev: Any, x: Any) -> tuple[Any, Any, Any]:
        c, y, _ = super().forward(c_prev, x)
        return c, y, None

    def backward(self, kept: Any, c_prev: Any, x: Any, gc: Any, gy: Any) -> tuple[Any, Any]:
        assert kept is None
        assert self.problem.recording
        return super().backward(super().forward(c_prev, x)[2], c_prev, x, gc, gy)


def test_an_override_may_keep_nothing(backend: Backend) -> None:
    own = Backend("recomputing", backend.xp, base=backend)
    own.implements(kernels.LSTM)(RecomputingLSTM)
    rng = np.random.default_rng(0)
    hosts = [rng.normal(size=shape) for shape in ((3, 2), (2, 8))]
    found = []
    for one in (backend, own):
        with use_backend(one):
            c, x = (Variable(backend.from_host(h)) for h in hosts)
            c_next, y = F.lstm(c, x)
            loss = c_next.sum() + (y * y).sum()
        loss.backward()
        found.append([backend.to_host(v) for v in (c.grad, x.grad)])
    backend._above.remove(own)
    for kept, recomputed in zip(*found, strict=True):  # a backend may have a cell of its own
        np.testing.assert_allclose(recomputed, kept, rtol=1e-12)


def test_nothing_is_kept_without_a_graph(array: Array) -> None:
    node = LSTM()
    with no_backprop_mode():
        node.apply((Variable(array(np.ones((1, 1)))), Variable(array(np.ones((1, 4))))))
    assert not hasattr(node, "kept")
    assert not node.plan.problem.recording
