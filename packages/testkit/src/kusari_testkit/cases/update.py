"""Update rules: new values of a parameter and its state."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari.kernels import update
from kusari_testkit.cases.case import Case, Input
from kusari_testkit.draw import HostArray, positive

SHAPES: Final = {"vector": (7,), "filters": (4, 3, 3, 3), "one": (1,), "scalar": (), "empty": (0, 3), "long": (1031,)}

QUICK: Final = ("filters", "empty", "long")


def _sgd(p: HostArray, g: HostArray, learning_rate: float) -> tuple[HostArray]:
    return (np.asarray([pi - learning_rate * gi for pi, gi in zip(p.flat, g.flat, strict=True)]).reshape(p.shape),)


def _momentum(p: HostArray, g: HostArray, v: HostArray, learning_rate: float, momentum: float) -> Any:
    new_v = np.subtract(np.multiply(momentum, v), np.multiply(learning_rate, g))
    return np.add(p, new_v), new_v


def _adam(
    p: HostArray,
    g: HostArray,
    m: HostArray,
    v: HostArray,
    step_size: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    eta: float,
    decay: float,
) -> Any:
    """Kingma and Ba's algorithm as they write it, with decoupled weight decay."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return p - eta * step_size * m / (np.sqrt(v) + epsilon) - eta * decay * p, m, v


ADAM: Final = {"step_size": 0.01, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3, "eta": 0.5, "decay": 0.1}

KERNELS: Final[tuple[Case, ...]] = tuple(
    case
    for label, shape in SHAPES.items()
    for case in (
        Case(
            target=update.sgd,
            label=label,
            quick=label in QUICK,
            inputs=(Input(shape), Input(shape)),
            oracle=_sgd,
            arguments={"learning_rate": 0.125},
        ),
        Case(
            target=update.momentum_sgd,
            label=label,
            quick=label in QUICK,
            inputs=(Input(shape), Input(shape), Input(shape)),
            oracle=_momentum,
            arguments={"learning_rate": 0.125, "momentum": 0.75},
        ),
        Case(
            target=update.adam,
            label=label,
            quick=label in QUICK,
            inputs=(Input(shape), Input(shape), Input(shape), Input(shape, positive)),
            oracle=_adam,
            arguments=ADAM,
        ),
    )
)
