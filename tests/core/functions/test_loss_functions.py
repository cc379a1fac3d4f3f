"""Losses: bad input, edges and the graph. Values and gradients are in the testkit's tables of cases."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings

import kusari.functions.loss as F
from kusari.autograd import FunctionHook, FunctionNode, Variable, grad
from kusari.backend import Backend, get_backend
from kusari.configuration import using_config
from kusari.errors import InvalidType

Array = Callable[..., Any]
Host = Callable[[Any], np.ndarray[Any, Any]]

GENERATOR = np.random.default_rng(0)
X = GENERATOR.standard_normal((3, 4))
T = np.array([0, 2, 1])


# What every loss refuses. -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("bernoulli_nll", (X, X)),
        ("black_out", (X, T, X, T[:, None])),
        ("connectionist_temporal_classification", ([X], T[:, None], 3)),
        ("contrastive", (X, X, T)),
        ("crf1d", (X[:, :3], [X[:, :3]], [T])),
        ("cross_covariance", (X, X)),
        ("decov", (X,)),
        ("gaussian_kl_divergence", (X, X)),
        ("gaussian_nll", (X, X, X)),
        ("hinge", (X, T)),
        ("huber_loss", (X, X, 1.0)),
        ("negative_sampling", (X, T, X, np.zeros, 1)),
        ("sigmoid_cross_entropy", (X, np.zeros((3, 4), int))),
        ("softmax_cross_entropy", (X, T)),
        ("triplet", (X, X, X)),
    ],
)
def test_another_reduction_is_an_error_that_names_the_right_ones(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=rf"^{name}\(reduce='other'\): expected '.*' or 'no'"):
        getattr(F, name)(*arguments, reduce="other")


@pytest.mark.parametrize(
    "name",
    ["absolute_error", "squared_error", "squared_difference", "mean_absolute_error", "mean_squared_error"],
)
def test_errors_need_two_floating_arrays_of_one_shape_and_dtype(name: str, array: Array) -> None:
    function = getattr(F, name)
    for x0, x1 in (
        (array(X), array(X[:1])),
        (array(X), array(X, "float32")),
        (array(X, "int32"), array(X, "int32")),
    ):
        with pytest.raises(InvalidType):
            function(x0, x1)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (F.contrastive, (X, X, X[:, 0])),  # labels that are not integers
        (F.contrastive, (X[..., None], X[..., None], T)),
        (F.contrastive, (X, X, T[:2])),
        (F.cross_covariance, (X, X[:2])),
        (F.decov, (X[0],)),
        (F.hinge, (X, T[:2])),
        (F.hinge, (X[..., None], T)),
        (F.huber_loss, (X[0], X[0], 1.0)),  # no second axis
        (F.huber_loss, (X, T, 1.0)),
        (F.sigmoid_cross_entropy, (X, X)),
        (F.sigmoid_cross_entropy, (X, np.zeros((3, 4), bool))),
        (F.sigmoid_cross_entropy, (X, np.zeros((2, 4), int))),
        (F.triplet, (X, X, X[:2])),
        (F.gaussian_kl_divergence, (T, T)),
        (F.bernoulli_nll, (Variable(np.ones((3, 4), int)), X)),
        (F.black_out, (X[..., None], T, X, T[:, None])),
        (F.black_out, (X, T[:2], X, T[:, None])),
        (F.negative_sampling, (X[..., None], T, X, np.zeros, 1)),
        (F.negative_sampling, (X, T[:, None], X, np.zeros, 1)),
        (F.negative_sampling, (X, T, X.astype("f"), lambda shape: np.zeros(shape, int), 1)),
        (F.discriminative_margin_based_clustering_loss, (X, T, 0.1, 1.0, 2)),
        (F.softmax_cross_entropy, (X[0], T[0])),
        (F.softmax_cross_entropy, (X, X[:2])),
    ],
)
def test_what_does_not_fit_is_an_invalid_type(function: Any, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidType):
        function(*(np.asarray(a) if isinstance(a, np.generic) else a for a in arguments))


def test_arguments_out_of_range() -> None:
    for call in (
        lambda: F.contrastive(X, X, T, margin=0),
        lambda: F.triplet(X, X, X, margin=-1),
        lambda: F.huber_loss(X, X, -0.5),
        lambda: F.negative_sampling(X, T, X, np.zeros, -1),
        lambda: F.negative_sampling(X, T, X, lambda shape: np.zeros((1, 1), int), 2),
        lambda: F.discriminative_margin_based_clustering_loss(X[:, :, None, None], T[:, None, None], 0.1, 1, 3),
        lambda: F.discriminative_margin_based_clustering_loss(X[:, :, None, None], T[:, None, None], 0.1, 1, 4, norm=3),
        lambda: F.softmax_cross_entropy(X, T, soft_target_loss="other"),
        lambda: F.softmax_cross_entropy(X, T, class_weight=X[0, :2]),
        lambda: F.softmax_cross_entropy(X, T, class_weight=np.ones(4, int)),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
    with pytest.raises(NotImplementedError, match="L3"):
        F.hinge(X, T, norm="L3")
    with pytest.raises(TypeError, match="foo"):
        F.negative_sampling(X, T, X, np.zeros, 1, foo=1)


def test_debug_mode_looks_at_labels(array: Array) -> None:
    x, wrong = array(X), array([0, 4, 1], "int32")
    with using_config("debug", True):
        for call in (
            lambda: F.hinge(x, wrong),
            lambda: F.softmax_cross_entropy(x, wrong),
            lambda: F.sigmoid_cross_entropy(x, array(np.full((3, 4), 2), "int32")),
        ):
            with pytest.raises(ValueError, match="labels: out of range"):
                call()
        F.softmax_cross_entropy(x, array([0, -1, 1], "int32"))
        F.sigmoid_cross_entropy(x, array(np.full((3, 4), -1), "int32"))


# Edges. -------------------------------------------------------------------------------------------------------------


def test_the_mean_of_nothing_is_nan(variable: Callable[..., Variable], host: Host) -> None:
    for function in (F.mean_absolute_error, F.mean_squared_error):
        x = variable(np.zeros((0, 3)))
        loss = function(x, variable(np.zeros((0, 3))))
        assert np.isnan(host(loss))
        loss.backward()
        assert x.grad.shape == (0, 3)


def test_sums_are_not_cut_short_by_sixteen_bits() -> None:
    x = np.zeros(70000, "float16")
    t = np.ones(70000, "int32")
    assert F.sigmoid_cross_entropy(x, t).item() == pytest.approx(np.log(2), rel=2e-3)
    assert F.mean_squared_error(np.full(70000, 2, "float16"), x).item() == 4


def test_pairs_in_one_place_have_no_gradient_rather_than_nan(variable: Callable[..., Variable], host: Host) -> None:
    x0, x1 = variable(np.ones((2, 3))), variable(np.ones((2, 3)))
    with np.errstate(all="raise"):
        loss = F.contrastive(x0, x1, variable([0, 1], "int32"), reduce="no")
        loss.grad = loss.xp.ones_like(loss.array)
        loss.backward()
    assert host(loss).tolist() == [0.5, 0]
    assert host(x0.grad).tolist() == host(x1.grad).tolist() == np.zeros((2, 3)).tolist()


def test_the_same_variable_on_both_sides_is_counted_once_for_each(variable: Callable[..., Variable]) -> None:
    y = Variable(X.copy())
    whole = F.cross_covariance(y, y)
    for again in (False, True):
        y.cleargrad()
        whole.backward(enable_double_backprop=again)
        both = [Variable(X.copy()), Variable(X.copy())]
        F.cross_covariance(*both).backward()
        np.testing.assert_allclose(y.grad, both[0].grad + both[1].grad, rtol=1e-12)


def test_a_composed_loss_is_one_step_to_hooks() -> None:
    class Names(FunctionHook):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def forward_preprocess(self, function: FunctionNode, in_data: Any) -> None:
            self.seen.append(function.label)

        def backward_preprocess(self, function: FunctionNode, in_data: Any, out_grad: Any) -> None:
            self.seen.append(function.label)

    x = Variable(X.copy())
    with Names() as names:
        F.triplet(x, X[::-1].copy(), X * 2, margin=9.0).backward()
    assert names.seen == ["Triplet", "Triplet"]
    node = F.negative_sampling(x, T, X.copy(), lambda shape: np.zeros(shape, "int32"), 1).creator_node
    assert type(node).__name__ == "NegativeSamplingFunction"


def test_black_out_stays_finite_where_a_wrong_word_has_all_probability(variable: Callable[..., Variable]) -> None:
    x, W = variable([[800.0]]), variable([[0.0], [1.0], [2.0]])
    loss = F.black_out(x, variable([0], "int32"), W, variable([[1, 2]], "int32"))
    # z = 0, 800, 1600: −log p(0) = 1600; −log(1 − p(2)) = 800; 1 − p(1) = 1
    assert loss.item() == pytest.approx(2400)
    loss.backward()
    assert np.isfinite(float(x.grad[0, 0]))


def test_the_samples_of_negative_sampling_come_back_with_the_words_in_front() -> None:
    asked = []

    def draw(shape: tuple[int, ...]) -> Any:
        asked.append(shape)
        return np.full(shape, 3, "int32")

    loss, samples = F.negative_sampling(X, np.array([1, -1, 0], "int32"), X[[0, 1, 2, 0]], draw, 2, return_samples=True)
    assert asked == [(3, 3)]
    assert samples.tolist() == [[1, 3, 3], [-1, 3, 3], [0, 3, 3]]
    assert samples.dtype == np.int32
    assert loss.shape == ()


def test_class_weights_and_soft_targets_take_the_scores_dtype() -> None:
    x = X.astype("float32")
    assert F.softmax_cross_entropy(x, T, class_weight=np.ones(4)).dtype == np.float32
    assert F.softmax_cross_entropy(x, np.abs(X), soft_target_loss="kl-divergence").dtype == np.float32
    targets = Variable(np.abs(X))
    F.softmax_cross_entropy(Variable(X.copy()), targets).backward()
    assert targets.grad is None


def test_soft_targets_of_a_map_are_averaged_over_all_places() -> None:
    x, t = GENERATOR.standard_normal((2, 3, 4)), scipy.special.softmax(GENERATOR.standard_normal((2, 3, 4)), axis=1)
    each = F.softmax_cross_entropy(x, t, reduce="no")
    assert each.shape == (2, 4)
    for normalize in (True, False):
        assert F.softmax_cross_entropy(x, t, normalize=normalize).item() == pytest.approx(np.mean(each.array))


# CTC. ---------------------------------------------------------------------------------------------------------------


def ctc_by_recursion(x: Any, labels: list[int], blank: int) -> float:
    """The textbook's recursion over one sequence (T, V), in plain numbers."""
    p = scipy.special.softmax(x, axis=1)
    places = [blank]
    for label in labels:
        places += [label, blank]
    alpha = [0.0] * len(places)
    for frame, now in enumerate(p):
        new = []
        for s, symbol in enumerate(places):
            if frame == 0:
                reach = 1.0 if s < 2 else 0.0
            else:
                reach = alpha[s] + (alpha[s - 1] if s else 0.0)
                if s > 1 and symbol not in (blank, places[s - 2]):
                    reach += alpha[s - 2]
            new.append(reach * now[symbol])
        alpha = new
    return float(-np.log(alpha[-1] + (alpha[-2] if len(alpha) > 1 else 0.0)))


@st.composite
def alignments(draw: st.DrawFn) -> tuple[Any, ...]:
    symbols = draw(st.integers(2, 5))
    blank = draw(st.integers(0, symbols - 1))
    others = [symbol for symbol in range(symbols) if symbol != blank]
    labels = draw(st.lists(st.lists(st.sampled_from(others), max_size=4), min_size=1, max_size=4))
    needed = [len(one) + sum(a == b for a, b in itertools.pairwise(one)) for one in labels]
    lengths = [max(1, n + draw(st.integers(0, 5))) for n in needed]
    frames = max(lengths) + draw(st.integers(0, 2))
    seed = draw(st.integers(0, 2**16))
    return symbols, blank, labels, lengths, frames, seed


@settings(max_examples=40)
@given(alignments())
def test_ctc_agrees_with_the_recursion_over_one_sequence(case: tuple[Any, ...]) -> None:
    symbols, blank, labels, lengths, frames, seed = case
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((frames, len(labels), symbols)) * 3
    longest = max(1, *map(len, labels))
    # Beyond the lengths there may be anything, symbols that do not exist included.
    t = np.asarray([one + [99] * (longest - len(one)) for one in labels], "int32")
    xs = [Variable(frame) for frame in x]
    input_length, label_length = np.asarray(lengths, "int32"), np.asarray([len(one) for one in labels], "int32")
    loss = F.connectionist_temporal_classification(xs, t, blank, input_length, label_length, reduce="no")
    expected = [ctc_by_recursion(x[: lengths[n], n], labels[n], blank) for n in range(len(labels))]
    np.testing.assert_allclose(loss.array, expected, rtol=1e-9, atol=1e-12)
    loss.grad = np.ones(len(labels))
    loss.backward()
    found = np.stack([one.grad for one in xs])
    # Scores are of a softmax: adding the same to all of a frame changes nothing.
    np.testing.assert_allclose(found.sum(axis=2), 0, atol=1e-10)
    for n, length in enumerate(lengths):
        assert not found[length:, n].any()


def test_ctc_without_enough_frames_is_infinite_and_has_no_gradient(variable: Callable[..., Variable]) -> None:
    xs = [variable(GENERATOR.standard_normal((2, 3))) for _ in range(2)]
    t = variable([[1, 1], [1, 2]], "int32")
    loss = F.connectionist_temporal_classification(xs, t, 0, reduce="no")
    loss.grad = loss.xp.ones_like(loss.array)
    loss.backward()
    assert float(loss.array[0]) == np.inf
    assert np.isfinite(float(loss.array[1]))
    for x in xs:
        assert not bool(x.xp.any(x.grad[0, :] != 0))
        assert bool(x.xp.any(x.grad[1, :] != 0))


def test_ctc_over_a_thousand_frames_in_sixteen_bits() -> None:
    xs = [Variable(np.zeros((1, 4), "float16")) for _ in range(1000)]
    loss = F.connectionist_temporal_classification(xs, np.asarray([[1]], "int32"), 0)
    # 500500 runs of one label among 1000 frames, each path of probability 4⁻¹⁰⁰⁰
    assert loss.dtype == np.float16
    assert loss.item() == pytest.approx(1000 * np.log(4) - np.log(500500), rel=1e-3)
    loss.backward()
    assert all(x.grad.dtype == np.float16 for x in xs)


def test_ctc_refuses_what_it_cannot_take(array: Array) -> None:
    ctc = F.connectionist_temporal_classification
    xs, t = [array(X), array(X)], array(T[:, None], "int32")
    lengths = array([2, 2, 3], "int32")
    for call, error, text in (
        (lambda: ctc(array(np.stack([X, X])), t, 3), TypeError, "expected a list or tuple"),
        (lambda: ctc([], t, 3), ValueError, "no frames"),
        (lambda: ctc(xs, t, 4), ValueError, "expected 0 to 3"),
        (lambda: ctc(xs, t, -1), ValueError, "expected 0 to 3"),
        (lambda: ctc(xs, t, 0.5), TypeError, "expected an integer"),
        (lambda: ctc(xs, t[:, 0], 3), InvalidType, "t"),
        (lambda: ctc(xs, t[:2, :], 3), InvalidType, "shape"),
        (lambda: ctc(xs, array(X[:, :1]), 3), InvalidType, "kind"),
        (lambda: ctc(xs, t, 3, array([2, 2], "int32")), InvalidType, "shape"),
        (lambda: ctc(xs, t, 3, array([2.0, 2.0, 2.0])), InvalidType, "kind"),
    ):
        with pytest.raises(error, match=text):
            call()
    with using_config("debug", True):
        for call, text in (
            (lambda: ctc(xs, t, 3, lengths), "input_length: out of range; expected 0 to 2"),
            (lambda: ctc(xs, t, 3, None, lengths), "label_length: out of range; expected 0 to 1"),
            (lambda: ctc(xs, t + 2, 3), r"\(\): t: out of range; expected 0 to 3"),
        ):
            with pytest.raises(ValueError, match=text):
                call()


# CRF. ---------------------------------------------------------------------------------------------------------------


def test_crf_refuses_what_it_cannot_take(array: Array) -> None:
    cost, xs, ys = array(np.zeros((4, 4))), [array(X), array(X[:2])], [array(T, "int32"), array(T[:2], "int32")]
    for call, error, text in (
        (lambda: F.crf1d(cost, [], []), ValueError, "empty"),
        (lambda: F.argmax_crf1d(cost, []), ValueError, "empty"),
        (lambda: F.crf1d(cost, xs[::-1], ys[::-1]), InvalidType, "longest first"),
        (lambda: F.crf1d(cost, xs, ys[:1]), InvalidType, "one for each"),
        (lambda: F.crf1d(cost, xs, [ys[0], ys[0]]), InvalidType, "one for each"),
        (lambda: F.crf1d(array(np.zeros((3, 3))), xs, ys), InvalidType, "cost"),
        (lambda: F.crf1d(array(np.zeros((3, 4))), xs, ys), InvalidType, "cost"),
        (lambda: F.crf1d(cost, xs, [array(X[:, 0]), array(X[:2, 0])]), InvalidType, "kind"),
    ):
        with pytest.raises(error, match=text):
            call()
    with using_config("debug", True), pytest.raises(ValueError, match="labels: out of range"):
        F.crf1d(cost, xs, [ys[0] + 2, ys[1]])


def test_the_best_labels_are_int32_and_one_array_for_each_time(array: Array, host: Host) -> None:
    cost = array([[0.0, -9.0], [-9.0, 0.0]])
    xs = [array([[2.0, 0.0], [0.0, 2.0]]), array([[0.0, 1.0], [1.0, 0.0]]), array([[0.0, 3.0]])]
    score, labels = F.argmax_crf1d(cost, xs)
    # Staying at 0 gives 2, at 1 gives 4; the second sequence stays at 1.
    assert [host(one).tolist() for one in labels] == [[1, 1], [1, 1], [1]]
    assert [host(one).dtype for one in labels] == [np.int32] * 3
    assert host(score).tolist() == [4, 2]


def test_the_best_labels_are_the_likeliest(host: Host) -> None:
    cost, xs = GENERATOR.standard_normal((3, 3)), [GENERATOR.standard_normal((2, 3)) for _ in range(4)]
    score, labels = F.argmax_crf1d(cost, xs)
    total = F.crf1d(cost, xs, labels, reduce="no").array + score.array  # log Σ e^score
    for other in itertools.product(range(3), repeat=4):
        ys = [np.full(2, one) for one in other]
        assert np.all(total - F.crf1d(cost, xs, ys, reduce="no").array <= score.array + 1e-12)


def test_crf_in_sixteen_bits_counts_in_thirty_two() -> None:
    cost = Variable(np.zeros((4, 4), "float16"))
    xs, ys = [np.zeros((1, 4), "float16")] * 3000, [np.zeros(1, "int32")] * 3000
    loss = F.crf1d(cost, xs, ys)
    assert loss.dtype == np.float16
    assert loss.item() == pytest.approx(3000 * np.log(4), rel=1e-3)
    loss.backward()
    assert cost.grad.dtype == np.float16


# Devices. -----------------------------------------------------------------------------------------------------------


def test_no_loss_reads_a_value(strict: Backend) -> None:
    synchronization = pytest.importorskip("kusari_testkit.synchronization", reason="needs the testkit")

    def send(values: Any, dtype: str = "float64") -> Any:
        return strict.from_host(np.asarray(values, dtype=dtype))

    x, y, z = (Variable(send(GENERATOR.standard_normal((3, 4)))) for _ in range(3))
    t, ones = send(T, "int32"), send(np.ones((3, 4)), "int32")
    square, embeddings = Variable(send(np.ones((4, 4)))), Variable(send(GENERATOR.standard_normal((1, 2, 3, 2))))
    instances, samples = send([[[1, 2], [2, 1], [0, 1]]], "int32"), send([[0, 1], [1, 2], [2, 0]], "int32")
    with synchronization.forbidden(strict), using_config("type_check", True):
        losses = [
            F.mean_squared_error(x, y),
            F.mean_absolute_error(x, y),
            F.huber_loss(x, y, 1.0).sum(),
            F.sigmoid_cross_entropy(x, ones),
            F.softmax_cross_entropy(x, t),
            F.hinge(x, t),
            F.contrastive(x, y, t),
            F.triplet(x, y, z),
            F.cross_covariance(x, y),
            F.decov(x),
            F.bernoulli_nll(x, y),
            F.gaussian_nll(x, y, z),
            F.gaussian_kl_divergence(x, y),
            F.negative_sampling(x, t, y, lambda shape: samples[:, : shape[1]], 1),
            F.black_out(x, t, y, samples),
            sum(F.discriminative_margin_based_clustering_loss(embeddings, instances, 0.1, 1.0, 2, norm=2)),
            F.connectionist_temporal_classification([x, y], t[:, None], 3),
            F.crf1d(square, [x, y], [t, t]),
            F.argmax_crf1d(square, [x, y])[0].sum(),
        ]
        for loss in losses:
            loss.backward()
        (gradient,) = grad([F.crf1d(square, [x, y], [t, t])], [square], enable_double_backprop=True)
        assert gradient is not None
        gradient.sum().backward()
    assert x.grad.shape == (3, 4)


def test_plans_keep_nothing_of_a_call() -> None:
    assert get_backend("numpy").on_host
    first = F.crf1d(np.zeros((4, 4)), [X], [T], reduce="no")
    F.crf1d(np.ones((4, 4)), [X * 2], [T], reduce="no")
    again = F.crf1d(np.zeros((4, 4)), [X], [T], reduce="no")
    np.testing.assert_array_equal(first.array, again.array)
