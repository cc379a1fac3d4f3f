"""What does not count must not show: NaN and infinities in ignored rows, through every derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari.functions.loss as F
from kusari.autograd import Variable, grad

Make = Callable[..., Variable]
Host = Callable[[Any], np.ndarray[Any, Any]]
Results = dict[str, np.ndarray[Any, Any]]

BAD = [np.nan, np.inf, -np.inf]
SCORES = np.random.default_rng(0).standard_normal((4, 3, 2))
LABELS = np.array([[0, -1], [-1, -1], [2, 1], [1, 0]])
CLASS_WEIGHT = np.array([0.5, 1.0, 2.0])


def derivatives(loss: Callable[[Variable], Variable], x: Variable, host: Host) -> Results:
    """Return the loss, its gradient (with and without a graph), and the gradient of the gradient's squares."""
    plain = grad([loss(x)], [x])[0]
    (gx,) = grad([loss(x)], [x], enable_double_backprop=True)
    assert plain is not None
    assert gx is not None
    (ggx,) = grad([(gx * gx).sum()], [x])
    assert ggx is not None
    return {name: host(v) for name, v in {"loss": loss(x), "plain": plain, "gx": gx, "ggx": ggx}.items()}


def check(
    loss: Callable[[Variable], Variable], counted: np.ndarray[Any, Any], bad: float, make: Make, host: Host
) -> None:
    """Compare with the results for numbers in the places that do not count; the gradient there is 0."""
    values = SCORES.astype("float64")
    expected = derivatives(loss, make(values.copy()), host)
    values[~counted] = bad
    found = derivatives(loss, make(values), host)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    for name in ("plain", "gx", "ggx"):
        assert (found[name][~counted] == 0).all(), name


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("reduce", ["mean", "no"])
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("normalize", [True, False])
def test_softmax_cross_entropy(
    bad: float, reduce: str, weight: Any, normalize: bool, variable: Make, array: Callable[..., Any], host: Host
) -> None:
    labels = array(LABELS, "int64")
    class_weight = None if weight is None else array(weight)
    check(
        lambda x: F.softmax_cross_entropy(x, labels, normalize, class_weight=class_weight, reduce=reduce),
        np.broadcast_to((LABELS != -1)[:, None], SCORES.shape),
        bad,
        variable,
        host,
    )


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("reduce", ["mean", "no"])
def test_sigmoid_cross_entropy(bad: float, reduce: str, variable: Make, array: Callable[..., Any], host: Host) -> None:
    labels = np.broadcast_to(LABELS[:, None] % 2 - (LABELS[:, None] == -1) * 2, SCORES.shape)
    assert set(labels.ravel().tolist()) == {-1, 0, 1}
    t = array(labels, "int64")
    check(lambda x: F.sigmoid_cross_entropy(x, t, reduce=reduce), labels != -1, bad, variable, host)


def test_a_nan_in_a_row_that_counts_is_seen(variable: Make, array: Callable[..., Any], host: Host) -> None:
    values = SCORES.copy()
    values[2] = np.nan
    x, t = variable(values), array(LABELS, "int64")
    assert np.isnan(host(F.softmax_cross_entropy(x, t)))
    losses = host(F.softmax_cross_entropy(x, t, reduce="no"))
    assert np.isnan(losses).tolist() == [[False, False], [False, False], [True, True], [False, False]]
