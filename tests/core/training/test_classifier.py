from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kusari
import kusari.functions as F
import kusari.links as L

X = np.random.default_rng(0).normal(size=(6, 3)).astype("f")
T = np.asarray([0, 1, 1, 0, 1, 0], "i")


def run(model: Any, *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
    reporter = kusari.Reporter()
    reporter.add_observer("main", model)
    with reporter:
        loss = model(*args, **kwargs)
    return loss, {key: value.item() for key, value in reporter.observation.items()}


def test_loss_and_accuracy() -> None:
    model = L.Classifier(L.Linear(3, 2))
    loss, observed = run(model, X, T)
    scores = X.astype(float) @ model.predictor.W.array.T.astype(float) + model.predictor.b.array
    expected = -np.mean(scores[range(6), T] - np.log(np.exp(scores).sum(axis=1)))
    assert loss is model.loss
    assert observed["main/loss"] == pytest.approx(expected, rel=1e-5)
    assert observed["main/accuracy"] == pytest.approx((scores.argmax(axis=1) == T).mean())
    assert np.allclose(model.y.array, scores, atol=1e-5)
    model.cleargrads()
    loss.backward()
    assert model.predictor.W.grad is not None


@pytest.mark.parametrize(
    ("key", "args", "kwargs"),
    [(0, (T, X), {}), (-1, (X, T), {}), (1, (X, T), {}), ("t", (X,), {"t": T}), ("t", (), {"x": X, "t": T})],
)
def test_where_the_label_is(key: Any, args: Any, kwargs: Any) -> None:
    model = L.Classifier(L.Linear(3, 2), label_key=key)
    reference = F.softmax_cross_entropy(model.predictor(X), T).item()
    loss, _ = run(model, *args, **kwargs)
    assert loss.item() == reference


def test_other_functions() -> None:
    model = L.Classifier(L.Linear(3, 2), lossfun=lambda y, t: F.sum(y) * 0 + 5, accfun=lambda y, t: F.sum(y) * 0 + 7)
    assert run(model, X, T)[1] == {"main/loss": 5, "main/accuracy": 7}
    model.compute_accuracy = False
    assert run(model, X, T)[1] == {"main/loss": 5}
    assert model.accuracy is None


def test_wrong_labels() -> None:
    with pytest.raises(TypeError, match="label_key must be int or str"):
        L.Classifier(L.Linear(3, 2), label_key=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Label key 3 is out of bounds"):
        L.Classifier(L.Linear(3, 2), label_key=3)(X, T)
    with pytest.raises(ValueError, match="Label key -3 is out of bounds"):
        L.Classifier(L.Linear(3, 2), label_key=-3)(X, T)
    with pytest.raises(ValueError, match='Label key "t" is not found'):
        L.Classifier(L.Linear(3, 2), label_key="t")(X)


def test_predictors_without_device_or_parameters() -> None:
    model = L.Classifier(F.relu)  # any function will do
    assert model(X, T).shape == ()
