"""Stacked recurrent networks: batches against single sequences, dropout, partial gradients, and bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kusari
import kusari.functions as F
from kusari.autograd import Variable, grad
from kusari.backend import Backend, get_backend
from kusari.configuration import using_config
from kusari.errors import InvalidType

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
UNITS, SIZE = 3, 2
FUNCTIONS = {
    f"{bi}{cell}": (getattr(F, f"n_step_{bi}{cell}"), cell, 2 if bi else 1) for cell in GATES for bi in ("", "bi")
}


class Network:
    """A function of the family with parameters, on a backend."""

    def __init__(
        self, backend: Backend, function: Callable[..., Any], cell: str, directions: int, layers: int = 2
    ) -> None:
        self.backend, self.function, self.layers, self.directions = backend, function, layers, directions
        self.memory, g = cell == "lstm", GATES[cell]
        generator = np.random.default_rng(0)
        self.ws, self.bs = [], []
        for run in range(layers * directions):
            fed = SIZE if run < directions else directions * UNITS
            widths = [fed] * g + [UNITS] * g
            self.ws.append([self.variable(generator.standard_normal((UNITS, width))) for width in widths])
            self.bs.append([self.variable(generator.standard_normal(UNITS)) for _ in widths])

    def variable(self, host: Any) -> Variable:
        return Variable(self.backend.from_host(np.asarray(host)))

    def states(self, host: Any) -> list[Variable]:
        return [self.variable(host * (1 + at)) for at in range(1 + self.memory)]

    def __call__(self, states: list[Variable], xs: list[Any], dropout_ratio: float = 0.0) -> list[Any]:
        """Return hy (and cy), then the ys as a tuple."""
        return list(self.function(self.layers, dropout_ratio, *states, self.ws, self.bs, xs))

    def hosts(self, made: list[Any]) -> list[Any]:
        return [self.backend.to_host(v.array) for v in (*made[:-1], *made[-1])]


@pytest.fixture(scope="session", params=FUNCTIONS)
def network(request: pytest.FixtureRequest, backend: Backend) -> Network:
    return Network(backend, *FUNCTIONS[request.param])


def drawn(*shape: int) -> Any:
    return np.random.default_rng(shape).standard_normal(shape)


@settings(max_examples=12, deadline=None)
@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(any))
def test_a_batch_is_its_sequences_one_by_one(network: Network, lengths: list[int]) -> None:
    lengths = sorted(lengths, reverse=True)
    sequences = [drawn(length, SIZE) + at for at, length in enumerate(lengths)]
    first = drawn(network.layers * network.directions, len(lengths), UNITS)
    xs = [np.stack([s[t] for s in sequences if len(s) > t]) for t in range(lengths[0])]
    *finals, ys = network(network.states(first), [network.variable(x) for x in xs])
    for at, sequence in enumerate(sequences):
        if not len(sequence):
            expected = [network.backend.to_host(state.array) for state in network.states(first[:, at : at + 1])]
        else:
            alone = network(network.states(first[:, at : at + 1]), [network.variable(x[None]) for x in sequence])
            *expected, outputs = alone
            expected = network.hosts([*expected, ()])
            for y, one in zip(ys, outputs, strict=False):
                np.testing.assert_allclose(
                    network.backend.to_host(y.array)[at], network.backend.to_host(one.array)[0], rtol=1e-9, atol=1e-12
                )
        for state, wanted in zip(finals, expected, strict=True):
            found = network.backend.to_host(state.array)[:, at : at + 1]
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


XS = [drawn(3, SIZE), drawn(2, SIZE), drawn(1, SIZE)]


def parts(network: Network) -> tuple[list[Variable], list[Variable], list[Variable]]:
    """Return states, xs, and every Variable that has a gradient."""
    states = network.states(drawn(network.layers * network.directions, 3, UNITS))
    xs = [network.variable(x) for x in XS]
    sources = [*states, *(p for layer in (*network.ws, *network.bs) for p in layer), *xs]
    return states, xs, sources


@pytest.mark.parametrize("used", [(0,), (-1,), (1, 2), (-2, 0)], ids=str)
def test_outputs_without_a_gradient(network: Network, used: tuple[int, ...]) -> None:
    states, xs, sources = parts(network)
    *finals, ys = network(states, xs)
    outputs = [(*finals, *ys)[place] for place in used]
    weights = [network.variable(drawn(*y.shape)) for y in outputs]
    kernel = grad(outputs, sources, weights)
    chain = grad(outputs, sources, weights, enable_double_backprop=True)
    for x, one, other in zip(sources, kernel, chain, strict=True):
        assert one is not None
        expected = np.zeros(x.shape) if other is None else network.backend.to_host(other.array)
        np.testing.assert_allclose(network.backend.to_host(one.array), expected, rtol=1e-9, atol=1e-12)


def test_dropout_between_layers(network: Network) -> None:
    states, xs, sources = parts(network)
    plain = network.hosts(network(states, xs))
    with using_config("train", False):
        for found, wanted in zip(network.hosts(network(states, xs, 0.5)), plain, strict=True):
            np.testing.assert_array_equal(found, wanted)
    kusari.seed(3)
    *finals, ys = network(states, xs, 0.5)
    kusari.seed(3)
    for found, wanted in zip(network.hosts(network(states, xs, 0.5)), network.hosts([*finals, ys]), strict=True):
        np.testing.assert_array_equal(found, wanted)
    first = network.directions
    np.testing.assert_array_equal(network.hosts([finals[0], ()])[0][:first], plain[0][:first])
    assert not np.allclose(network.hosts([finals[0], ()])[0][first:], plain[0][first:])
    # One mask serves forward, backward and the plain chain.
    outputs = [*finals, *ys]
    weights = [network.variable(drawn(*y.shape)) for y in outputs]
    kernel, chain = (grad(outputs, sources, weights, enable_double_backprop=double) for double in (False, True))
    for one, other in zip(kernel, chain, strict=True):
        assert one is not None
        assert other is not None
        found, wanted = (network.backend.to_host(g.array) for g in (one, other))
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_masks_scale_what_they_keep(backend: Backend) -> None:
    """Two layers of identities: the second's output is the mask times the first's."""
    count = 2000
    one = backend.from_host(np.ones((1, 1)))
    zero, none = backend.from_host(np.zeros((1, 1))), backend.from_host(np.zeros(1))
    hx = backend.from_host(np.zeros((2, count, 1)))
    x = backend.from_host(np.ones((count, 1)))
    _, (y,) = F.n_step_rnn(2, 0.2, hx, [[one, zero]] * 2, [[none, none]] * 2, [x], "relu")
    values, counts = np.unique(backend.to_host(y.array), return_counts=True)
    np.testing.assert_allclose(values, [0, 1.25])
    assert abs(counts[0] / count - 0.2) < 0.05


def test_states_of_sequences_that_never_start_pass_through(backend: Backend) -> None:
    network = Network(backend, *FUNCTIONS["lstm"])
    hx, cx = network.states(drawn(2, 4, UNITS))
    hy, cy, ys = network([hx, cx], [network.variable(x) for x in XS])
    assert [y.shape for y in ys] == [(3, UNITS), (2, UNITS), (1, UNITS)]
    (hy[:, 3].sum() + 2 * cy[:, 3].sum()).backward()
    for start, end, slope in ((hx, hy, 1), (cx, cy, 2)):
        np.testing.assert_array_equal(*(backend.to_host(v.array)[:, 3] for v in (start, end)))
        gradient = backend.to_host(start.grad)
        assert (gradient[:, :3] == 0).all()
        assert (gradient[:, 3] == slope).all()


def test_half_precision_inputs_take_parameters_in_single_precision() -> None:
    W, U, b = (Variable(drawn(*shape).astype("float32")) for shape in ((3, 2), (3, 3), (3,)))
    x, hx = Variable(drawn(1, 2).astype("float16")), Variable(np.zeros((1, 1, 3), "float32"))
    hy, (y,) = F.n_step_rnn(1, 0.0, hx, [[W, U]], [[b, b]], [x])
    assert (hy.dtype, y.dtype) == (np.float16, np.float16)
    y.sum().backward()
    assert (x.grad.dtype, W.grad.dtype, hx.grad.dtype) == (np.float16, np.float32, np.float32)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("lstm", "NStepLSTM"),
        ("bilstm", "NStepBiLSTM"),
        ("gru", "NStepGRU"),
        ("bigru", "NStepBiGRU"),
        ("rnn", "NStepRNNTanh"),
        ("birnn", "NStepBiRNNTanh"),
    ],
)
def test_node_names(name: str, label: str) -> None:
    network = Network(get_backend("numpy"), *FUNCTIONS[name])
    states, xs, _ = parts(network)
    *_, ys = network(states, xs)
    assert ys[0].creator_node is not None
    assert ys[0].creator_node.label == label


# Bad input. ----------------------------------------------------------------------------------------------------------

W, U, B, H = np.ones((3, 2)), np.ones((3, 3)), np.ones(3), np.zeros((1, 2, 3))
X = np.ones((2, 2))
GOOD: dict[str, Any] = {
    "n_layers": 1, "dropout_ratio": 0.0, "hx": H, "ws": [[W, U]], "bs": [[B, B]], "xs": [X, X[:1]],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"xs": [X[:1], X]}, InvalidType, r"xs\[1\] of at most 1 rows: longer sequences first"),
        ({"xs": [np.ones((3, 2))]}, InvalidType, r"xs\[0\] of at most 2 rows"),
        ({"xs": [X, np.ones((1, 3))]}, InvalidType, r"xs\[1\] with rows of length 2"),
        ({"xs": [X, X.astype("f")]}, InvalidType, r"xs\[1\] of dtype float64"),
        ({"xs": [X[0]]}, InvalidType, r"xs\[0\] of shape \(B, I\)"),
        ({"xs": [X.astype("int32")]}, InvalidType, "floating"),
        ({"xs": []}, InvalidType, "no input"),
        ({"xs": X}, TypeError, "expected a list or tuple"),
        ({"hx": np.zeros((2, 2, 3))}, InvalidType, r"hx of shape \(1, B, U\)"),
        ({"hx": np.zeros((2, 3))}, InvalidType, "hx of shape"),
        ({"ws": [[W.T, U]]}, InvalidType, r"ws\[0\]\[0\] of shape \(3, 2\)"),
        ({"ws": [[W, U[:2]]]}, InvalidType, r"ws\[0\]\[1\] of shape \(3, 3\)"),
        ({"bs": [[B, B[:1]]]}, InvalidType, r"bs\[0\]\[1\] of shape \(3,\)"),
        ({"ws": [[W]]}, ValueError, r"ws\): expected 1 lists.*of 2 arrays; got lists of \[1\]"),
        ({"bs": []}, ValueError, r"bs\): expected 1 lists"),
        ({"n_layers": 2}, ValueError, "expected 2 lists"),
        ({"n_layers": 0}, ValueError, "n_layers=0"),
        ({"dropout_ratio": 1.0}, ValueError, "dropout_ratio=1.0"),
        ({"activation": "sigmoid"}, ValueError, "expected 'tanh' or 'relu'"),
        ({"train": True}, ValueError, "train=True.*using_config"),
        ({"use_cudnn": True}, ValueError, "use_cudnn=True"),
        ({"layers": 1}, TypeError, "unexpected keyword"),
    ],
)  # fmt: skip
def test_bad_input(changed: dict[str, Any], error: type[Exception], text: str) -> None:
    F.n_step_rnn(**GOOD)
    with pytest.raises(error, match=text):
        F.n_step_rnn(**{**GOOD, **changed})


def test_cells_of_another_shape_than_states() -> None:
    ws, bs = [[W] * 4 + [U] * 4], [[B] * 8]
    with pytest.raises(InvalidType, match="cx of hx's shape"):
        F.n_step_lstm(1, 0.0, H, H[:, :1], ws, bs, [X])
