"""The networks that are run, with the loss that training takes of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import kusari
import kusari.functions as F
import kusari.links as L


class Task(NamedTuple):
    """A network, and what to make of its layers."""

    make: Callable[[], Any]
    scores: dict[str, float]
    """The layers whose scores enter the loss, and how much each counts."""
    small: int
    """The smallest side of an image that it takes, for a quick look."""


TASKS = {
    "ResNet50": Task(lambda: L.ResNet50Layers(pretrained_model=None), {"fc6": 1.0}, 64),
    # Two classifiers beside help the gradient on its way down.
    "GoogLeNet": Task(
        lambda: L.GoogLeNet(pretrained_model=None), {"loss3_fc": 1.0, "loss1_fc2": 0.3, "loss2_fc2": 0.3}, 224
    ),
}


def forward(task: Task, model: Any, x: Any) -> dict[str, Any]:
    """Return scores, in test mode and without a graph."""
    with kusari.using_config("train", False), kusari.no_backprop_mode():
        found: dict[str, Any] = model(x, layers=list(task.scores))
    return found


def step(task: Task, model: Any, x: Any, t: Any) -> Any:
    """Return the loss, and leave gradients with the parameters."""
    found = model(x, layers=list(task.scores))
    loss = sum(weight * F.softmax_cross_entropy(found[name], t) for name, weight in task.scores.items())
    model.cleargrads()
    loss.backward()
    return loss
