"""What layers compute beyond their functions: gates, orders of sequences, states, trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L

HostArray = np.ndarray[Any, Any]


def numbers(*shape: int, seed: int = 0) -> HostArray:
    return np.random.default_rng(seed).normal(size=shape).astype("f")


def sigmoid(x: HostArray) -> HostArray:
    made: HostArray = 1 / (1 + np.exp(-x))
    return made


def test_lstm_by_its_formula() -> None:
    layer: Any = L.LSTM(3, 2)
    x = numbers(4, 3)
    c = h = np.zeros((4, 2), "f")
    for _ in range(2):
        z = x @ layer.upward.W.array.T + layer.upward.b.array + h @ layer.lateral.W.array.T
        a, i, f, o = np.moveaxis(z.reshape(4, 2, 4), 2, 0)
        c = sigmoid(i) * np.tanh(a) + sigmoid(f) * c
        h = sigmoid(o) * np.tanh(c)
        np.testing.assert_allclose(layer(x).array, h, rtol=1e-5)
    np.testing.assert_array_equal(layer.upward.b.array, [0, 0, 1, 0] * 2)


def test_lstm_keeps_the_rows_of_sequences_that_ended() -> None:
    layer = L.LSTM(3, 2)
    first = layer(numbers(4, 3)).array
    assert layer(numbers(2, 3)).shape == (2, 2)
    assert layer.h is not None
    np.testing.assert_array_equal(layer.h.array[2:], first[2:])
    with pytest.raises(TypeError, match="reset_state"):
        layer(numbers(5, 3))


def test_lstm_with_and_without_a_state_agree() -> None:
    layer = L.LSTM(3, 2)
    alone = L.StatelessLSTM(3, 2)
    alone.copyparams(layer)
    c, h, x = numbers(4, 2), numbers(4, 2, seed=1), numbers(4, 3)
    layer.set_state(c, h)
    np.testing.assert_allclose(layer(x).array, alone(c, h, x)[1].array, rtol=1e-6)
    with pytest.raises(TypeError, match="reset_state"):
        layer.set_state(None, h)


def test_gru_by_its_formula() -> None:
    layer, h, x = L.StatelessGRU(3, 2, bias_init=0.5), numbers(4, 2), numbers(4, 3)

    def fed(name: str, value: HostArray) -> HostArray:
        made: HostArray = value @ layer[name].W.array.T + layer[name].b.array
        return made

    r, z = sigmoid(fed("W_r", x) + fed("U_r", h)), sigmoid(fed("W_z", x) + fed("U_z", h))
    new = np.tanh(fed("W", x) + fed("U", r * h))
    np.testing.assert_allclose(layer(h, x).array, (1 - z) * h + z * new, rtol=1e-5)
    kept = L.GRU(3, 2)
    kept.copyparams(layer)
    kept.set_state(h)
    np.testing.assert_allclose(kept(x).array, layer(h, x).array, rtol=1e-6)
    with pytest.raises(ValueError, match="StatelessGRU"):
        kept(h, x)


def test_peephole_gates_see_the_cells() -> None:
    layer: Any = L.StatefulPeepholeLSTM(3, 2)
    x = numbers(4, 3)
    c, h = numbers(4, 2), numbers(4, 2, seed=1)
    layer.set_state(c, h)
    z = x @ layer.upward.W.array.T + layer.upward.b.array + h @ layer.lateral.W.array.T
    a, i, f, o = np.moveaxis(z.reshape(4, 2, 4), 2, 0)
    peep = {name: layer[f"peep_{name}"].W.array.T for name in "ifo"}
    new = sigmoid(i + c @ peep["i"]) * np.tanh(a) + sigmoid(f + c @ peep["f"]) * c
    np.testing.assert_allclose(layer(x).array, sigmoid(o + new @ peep["o"]) * np.tanh(new), rtol=1e-5)


@pytest.mark.parametrize("name", ["NStepLSTM", "NStepGRU", "NStepBiRNNTanh"])
def test_sequences_come_back_in_their_order(name: str) -> None:
    layer = getattr(L, name)(2, 3, 2, 0.0)
    states = [None] * layer.n_cells
    xs = [numbers(2, 3), numbers(4, 3, seed=1), numbers(1, 3, seed=2), numbers(4, 3, seed=3)]
    *last, ys = layer(*states, xs)
    for index, x in enumerate(xs):
        *own_last, own = layer(*states, [x])
        np.testing.assert_allclose(ys[index].array, own[0].array, rtol=1e-5, atol=1e-6)
        for state, own_state in zip(last, own_last, strict=True):
            np.testing.assert_allclose(state.array[:, index], own_state.array[:, 0], rtol=1e-5, atol=1e-6)


def test_first_states_follow_their_sequences() -> None:
    layer, hx = L.NStepGRU(1, 3, 2, 0.0), numbers(1, 2, 2)
    xs = [numbers(1, 3), numbers(3, 3)]
    hy, _ = layer(hx, xs)
    alone, _ = layer(hx[:, 1:], xs[1:])
    np.testing.assert_allclose(hy.array[:, 1:], alone.array, rtol=1e-5)


def test_the_words_of_a_hierarchical_softmax_are_a_distribution() -> None:
    tree = L.BinaryHierarchicalSoftmax.create_huffman_tree({0: 3, 1: 1, 2: 7, 3: 2, 4: 2})
    layer, x = L.BinaryHierarchicalSoftmax(3, tree), numbers(1, 3)
    losses = [layer(x, np.asarray([word])).item() for word in range(5)]
    np.testing.assert_allclose(np.exp(-np.asarray(losses)).sum(), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("tree", "error"), [(((0, 1), 0), ValueError), ((0, 1, 2), TypeError), (3, TypeError), (("a", 1), TypeError)]
)
def test_what_is_no_tree_of_words_is_an_error(tree: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="tree"):
        L.BinaryHierarchicalSoftmax(3, tree)


def test_crf_takes_sequences_or_steps() -> None:
    layer = L.CRF1d(3, initial_cost=kusari.initializers.Normal(1))
    xs, ys = [numbers(3, 3), numbers(2, 3)], [np.asarray([0, 2, 1]), np.asarray([1, 1])]
    by_steps = layer(F.transpose_sequence(xs), F.transpose_sequence(ys))
    np.testing.assert_allclose(layer(xs, ys, transpose=True).array, by_steps.array, rtol=1e-6)
    _, labels = layer.argmax(xs, transpose=True)
    assert [label.shape for label in labels] == [(3,), (2,)]


@pytest.mark.parametrize(
    "layer",
    [
        L.ConvolutionND(2, 4, 2, 3, groups=2),
        L.Convolution1D(4, 2, 3, nobias=True),
        L.DeconvolutionND(2, 4, 2, 3, groups=2),
        L.Deconvolution2D(4, 2, 3),
        L.DilatedConvolution2D(4, 2, (3, 3)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_are_made_from_arrays(layer: Any) -> None:
    groups = {} if layer.groups == 1 else {"groups": layer.groups}
    b = None if layer.b is None else layer.b.array
    twin = type(layer).from_params(layer.W.array, b, **groups)
    assert str(twin) == str(layer)
    np.testing.assert_array_equal(twin.W.array, layer.W.array)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: L.ConvolutionND(2, 3, 4, 3, groups=2), ValueError, "not divisible"),
        (lambda: L.Deconvolution2D(3, 4, 3, stride=0), ValueError, "stride=0"),
        (lambda: L.Convolution1D(None, 4), TypeError, "out_channels"),
        (lambda: L.LocalConvolution2D(3, 4, 2, 3), ValueError, "larger than the image"),
        (lambda: L.LSTM(None), TypeError, "output size"),
        (lambda: L.NStepGRU(0, 3, 2, 0.0), ValueError, "n_layers=0"),
        (lambda: L.NStepGRU(1, 3, 2, 0.0, use_cudnn=True), ValueError, "use_cudnn"),
        (lambda: L.StatefulZoneoutLSTM(3, 2, train=True), ValueError, "using_config"),
        (lambda: L.Scale(bias_term=True), ValueError, "bias_shape"),
        (lambda: L.Bilinear(2, 2, 2, initial_bias=(0,)), ValueError, "three"),
        (lambda: L.Maxout(3, 2, 0), ValueError, "pool_size=0"),
        (lambda: L.InceptionBN(3, 1, 2, 3, 4, 5, "max", stride=2), ValueError, "out1=0"),
        (lambda: L.InceptionBN(3, 0, 2, 3, 4, 5, "mean"), NotImplementedError, "'avg'"),
        (lambda: L.DecorrelatedBatchNormalization(5, groups=2), ValueError, "not divisible"),
        (lambda: L.GroupNormalization("two"), TypeError, "integer"),  # type: ignore[arg-type]
        (lambda: L.NegativeSampling(3, [], 2), ValueError, "probs"),
    ],
)
def test_bad_arguments_are_errors(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()
