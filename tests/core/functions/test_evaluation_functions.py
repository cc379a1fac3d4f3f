"""Evaluation of predictions: bad input and edges. Values are in the testkit's tables of cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import Variable
from kusari.configuration import using_config
from kusari.errors import InvalidType, SynchronizationError

Array = Callable[..., Any]
Host = Callable[[Any], np.ndarray[Any, Any]]

Y = np.array([[0.1, 0.9, 0.0], [0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.0, 1.0, 0.0]])
T = np.array([1, 0, 0, -1, 1])


def test_one_measure_alone_is_that_of_the_summary(array: Array, host: Host) -> None:
    y, t = array(Y), array(T, "int32")
    summary = [host(found) for found in F.classification_summary(y, t, label_num=3)]
    for function, place in ((F.precision, 0), (F.recall, 1), (F.f1_score, 2)):
        found, support = function(y, t, label_num=3)
        np.testing.assert_array_equal(host(found), summary[place])
        np.testing.assert_array_equal(host(support), summary[3])
    np.testing.assert_allclose(summary[0], [1, 2 / 3, np.nan])
    np.testing.assert_allclose(summary[1], [0.5, 1, np.nan])
    assert summary[3].tolist() == [2, 2, 0]


def test_a_class_that_is_never_right_has_no_f_score(array: Array, host: Host) -> None:
    _, _, score, _ = F.classification_summary(array([[1.0, 0.0], [0.0, 1.0]]), array([1, 0], "int32"))
    assert np.isnan(host(score)).tolist() == [True, True]


def test_labels_are_read_only_where_their_number_is_not_given(array: Array) -> None:
    y, t = array(Y), array(T, "int32")
    with using_config("forbid_synchronization", True):
        assert F.precision(y, t, label_num=3)[0].shape == (3,)
        with pytest.raises(SynchronizationError):
            F.precision(y, t)


def test_no_labels_no_classes(array: Array) -> None:
    found, support = F.recall(array(np.ones((2, 3))), array([-1, -1], "int32"))
    assert found.shape == support.shape == (0,)


def test_binary_accuracy_counts_zero_as_yes(array: Array, host: Host) -> None:
    assert host(F.binary_accuracy(array([0.0, 0.0]), array([1, 0], "int32"))) == 0.5
    assert host(F.binary_accuracy(array([1.0]), array([-1], "int32"))) == 0
    assert host(F.binary_accuracy(array([1.0, -1.0]), array([2, 2], "int32"))) == 0


def test_counts_beyond_float16() -> None:
    t = np.ones(4099, "int32")
    assert F.binary_accuracy(np.ones(4099, "float16"), t).item() == 1
    scores = np.tile(np.array([0, 1], "float16"), (4099, 1))
    assert F.accuracy(scores, t).item() == 1
    assert F.accuracy(scores, t).dtype == "float16"
    half = np.where(np.arange(4098) % 2, 1, 0).astype("int32")
    assert F.accuracy(scores[:4098], half, ignore_label=-1).item() == 0.5


def test_accuracy_where_nothing_counts(array: Array, host: Host) -> None:
    assert host(F.accuracy(array(Y), array(np.full(5, -1), "int32"), ignore_label=-1)) == 0


@pytest.mark.parametrize("function", [F.accuracy, F.binary_accuracy, F.classification_summary, F.f1_score])
def test_labels_must_fit(array: Array, function: Callable[..., Any]) -> None:
    with pytest.raises(InvalidType, match="kind"):
        function(array(Y), array(Y[:, 0]))
    with pytest.raises(InvalidType, match=r"shape|ndim"):
        function(array(Y), array([0, 1], "int32"))
    with pytest.raises(InvalidType, match=r"y\.dtype is floating"):
        function(array(np.ones((5, 3)), "int32"), array(T, "int32"))


def test_r2_of_equal_targets_is_zero(array: Array, host: Host) -> None:
    same = array(np.ones((3, 2)))
    assert host(F.r2_score(same, same, multioutput="raw_values")).tolist() == [0, 0]


def test_r2_refuses(array: Array) -> None:
    x = array(np.ones((3, 2)))
    with pytest.raises(NotImplementedError, match="sample_weight"):
        F.r2_score(x, x, sample_weight=array(np.ones(3)))
    with pytest.raises(ValueError, match="multioutput"):
        F.r2_score(x, x, multioutput="sum")
    with pytest.raises(InvalidType, match="shape"):
        F.r2_score(x, array(np.ones((3, 1))))
    with pytest.raises(InvalidType, match="floating"):
        F.r2_score(array([1], "int32"), array([1], "int32"))


def test_measures_have_no_gradient(array: Array) -> None:
    y = Variable(array(Y))
    F.accuracy(y, array(T, "int32")).backward()
    assert y.grad is None
