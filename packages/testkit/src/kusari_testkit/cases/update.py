"""Update rules: new values of a parameter and its states, element by element as their papers write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.kernels import matrix_update, update
from kusari.types import Shape
from kusari_testkit.cases.case import Case, Input
from kusari_testkit.draw import Draw, HostArray, normal, positive, repeated

SHAPES: Final = {"vector": (7,), "filters": (4, 3, 3, 3), "one": (1,), "scalar": (), "empty": (0, 3), "long": (1031,)}
QUICK: Final = ("filters", "empty", "long")

centered: Final = repeated(0.1, -0.2, 0.05)
"""Means whose squares stay below the mean squares that `positive` draws."""

decided: Final = repeated(8.0, -12.0, 16.0)
"""Means that are larger than what a gradient can turn: a sign is no matter of rounding."""


class Rule(NamedTuple):
    """A rule for one element: ``step(p, g, *states, **arguments)`` returns the new p and states."""

    kernel: Any
    step: Callable[..., tuple[float, ...]]
    states: tuple[Draw, ...]
    arguments: dict[str, float]


def _sgd(p: float, g: float, learning_rate: float) -> tuple[float]:
    return (p - learning_rate * g,)


def _momentum(p: float, g: float, v: float, learning_rate: float, momentum: float) -> tuple[float, float]:
    new = momentum * v - learning_rate * g
    return p + new, new


def _corrected(p: float, g: float, v: float, learning_rate: float, momentum: float) -> tuple[float, float]:
    new = momentum * v - g
    return p + learning_rate * new, new


def _nesterov(p: float, g: float, v: float, learning_rate: float, momentum: float) -> tuple[float, float]:
    new = momentum * v - learning_rate * g
    return p + momentum**2 * v - (1 + momentum) * learning_rate * g, new


def _ada_grad(p: float, g: float, h: float, learning_rate: float, epsilon: float) -> tuple[float, float]:
    return p - learning_rate * g / (math.sqrt(h + g**2) + epsilon), h + g**2


def _ada_delta(p: float, g: float, s: float, d: float, rho: float, epsilon: float) -> tuple[float, ...]:
    s = rho * s + (1 - rho) * g**2
    step = -math.sqrt(d + epsilon) / math.sqrt(s + epsilon) * g
    return p + step, s, rho * d + (1 - rho) * step**2


def _rmsprop(p: float, g: float, s: float, learning_rate: float, alpha: float, epsilon: float) -> tuple[float, float]:
    s = alpha * s + (1 - alpha) * g**2
    return p - learning_rate * g / (math.sqrt(s) + epsilon), s


def _rmsprop_inside(
    p: float, g: float, s: float, learning_rate: float, alpha: float, epsilon: float
) -> tuple[float, float]:
    s = alpha * s + (1 - alpha) * g**2
    return p - learning_rate * g / math.sqrt(s + epsilon), s


def _graves(
    p: float,
    g: float,
    n: float,
    mean: float,
    delta: float,
    learning_rate: float,
    alpha: float,
    momentum: float,
    epsilon: float,
) -> tuple[float, ...]:
    n, mean = alpha * n + (1 - alpha) * g**2, alpha * mean + (1 - alpha) * g
    delta = momentum * delta - learning_rate * g / math.sqrt(n - mean**2 + epsilon)
    return p + delta, n, mean, delta


def _smorms3(
    p: float, g: float, mem: float, mean: float, square: float, learning_rate: float, epsilon: float
) -> tuple[float, ...]:
    r = 1 / (1 + mem)
    mean, square = (1 - r) * mean + r * g, (1 - r) * square + r * g**2
    x = mean**2 / (square + epsilon)
    return p - g * min(learning_rate, x) / (math.sqrt(square) + epsilon), 1 + mem - mem * x, mean, square


def _msvag(
    p: float,
    g: float,
    m: float,
    v: float,
    learning_rate: float,
    beta: float,
    correction: float,
    noise_weight: float,
    eta: float,
    decay: float,
) -> tuple[float, ...]:
    m, v = beta * m + (1 - beta) * g, beta * v + (1 - beta) * g**2
    signal, variance = (correction * m) ** 2, max(0.0, correction * v - (correction * m) ** 2)
    gamma = signal / (signal + noise_weight * variance)
    return p - eta * learning_rate * gamma * correction * m - eta * decay * p, m, v


def _lion(
    p: float, g: float, m: float, learning_rate: float, beta1: float, beta2: float, eta: float, decay: float
) -> tuple[float, float]:
    sign = float(np.sign(beta1 * m + (1 - beta1) * g))
    return p - eta * learning_rate * sign - eta * decay * p, beta2 * m + (1 - beta2) * g


def _adam(
    p: float,
    g: float,
    m: float,
    v: float,
    step_size: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    eta: float,
    decay: float,
    lower: float = 0.0,
    upper: float = math.inf,
) -> tuple[float, ...]:
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    rate = sorted((lower, step_size / (math.sqrt(v) + epsilon), upper))[1]
    return p - eta * rate * m - eta * decay * p, m, v


def _amsgrad(
    p: float,
    g: float,
    m: float,
    v: float,
    largest: float,
    step_size: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    eta: float,
    decay: float,
    lower: float = 0.0,
    upper: float = math.inf,
) -> tuple[float, ...]:
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    largest = max(largest, v)
    rate = sorted((lower, step_size / (math.sqrt(largest) + epsilon), upper))[1]
    return p - eta * rate * m - eta * decay * p, m, v, largest


ADAM: Final = {"step_size": 0.0625, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3, "eta": 0.5, "decay": 0.1}
LION: Final = {"learning_rate": 0.125, "beta1": 0.75, "beta2": 0.9, "eta": 0.5, "decay": 0.1}
BOUND: Final = {"lower": 0.05, "upper": 0.075}
MOMENTUM: Final = {"learning_rate": 0.125, "momentum": 0.75}
ROOT: Final = {"learning_rate": 0.125, "epsilon": 1e-3}
GRAVES: Final = {"learning_rate": 0.125, "alpha": 0.9, "momentum": 0.75, "epsilon": 1e-3}
MSVAG: Final = {
    "learning_rate": 0.125,
    "beta": 0.75,
    "correction": 2.0,
    "noise_weight": 0.25,
    "eta": 0.5,
    "decay": 0.1,
}

RULES: Final[tuple[Rule, ...]] = (
    Rule(update.sgd, _sgd, (), {"learning_rate": 0.125}),
    Rule(update.momentum_sgd, _momentum, (normal,), MOMENTUM),
    Rule(update.corrected_momentum_sgd, _corrected, (normal,), MOMENTUM),
    Rule(update.nesterov_ag, _nesterov, (normal,), MOMENTUM),
    Rule(update.ada_grad, _ada_grad, (positive,), ROOT),
    Rule(update.ada_delta, _ada_delta, (positive, positive), {"rho": 0.9, "epsilon": 1e-3}),
    Rule(update.rmsprop, _rmsprop, (positive,), {**ROOT, "alpha": 0.9}),
    Rule(update.rmsprop_inside, _rmsprop_inside, (positive,), {**ROOT, "alpha": 0.9}),
    Rule(update.rmsprop_graves, _graves, (positive, centered, normal), GRAVES),
    Rule(update.smorms3, _smorms3, (positive, centered, positive), ROOT),
    Rule(update.msvag, _msvag, (normal, positive), MSVAG),
    Rule(update.lion, _lion, (decided,), LION),
    Rule(update.adam, _adam, (normal, positive), ADAM),
    Rule(update.amsgrad, _amsgrad, (normal, positive, positive), ADAM),
    Rule(update.ada_bound, _adam, (normal, positive), {**ADAM, **BOUND}),
    Rule(update.ams_bound, _amsgrad, (normal, positive, positive), {**ADAM, **BOUND}),
)


def _element_by_element(step: Callable[..., tuple[float, ...]]) -> Callable[..., tuple[HostArray, ...]]:
    """Return an oracle for arrays."""

    def oracle(*arrays: HostArray, **arguments: float) -> tuple[HostArray, ...]:
        made = tuple(np.empty(arrays[0].shape) for _ in arrays[1:])  # p and the states: all but the gradient
        for index in np.ndindex(arrays[0].shape):
            for array, value in zip(made, step(*(float(a[index]) for a in arrays), **arguments), strict=True):
                array[index] = value
        return made

    return oracle


def _in_order(rule: Rule) -> dict[str, float]:
    """Return the arguments in the kernel's order, in which `Backend.foreach` takes them."""
    names = [name for name in rule.kernel.__annotations__ if name in rule.arguments]
    return {name: rule.arguments[name] for name in names}


def _orthogonalized(a: HostArray, steps: int) -> HostArray:
    """Change the singular values by the polynomial, and leave the vectors as they are."""
    u, sigma, v = np.linalg.svd(a, full_matrices=False)
    sigma = sigma / max(1e-300, float(np.sqrt(np.sum(sigma**2))))
    for _ in range(steps):
        sigma = 3.4445 * sigma - 4.7750 * sigma**3 + 2.0315 * sigma**5
    return np.asarray(u @ np.diag(sigma) @ v)


def _muon(
    p: HostArray,
    g: HostArray,
    v: HostArray,
    learning_rate: float,
    momentum: float,
    steps: int,
    eta: float,
    decay: float,
) -> tuple[HostArray, HostArray]:
    v = momentum * v + g
    rows = len(p)
    columns = p.size // rows
    step = _orthogonalized((g + momentum * v).reshape(rows, columns), steps).reshape(p.shape)
    return (1 - eta * decay) * p - eta * learning_rate * math.sqrt(max(1, rows / columns)) * step, v


MUON: Final = {"learning_rate": 0.125, "momentum": 0.75, "steps": 5, "eta": 0.5, "decay": 0.1}
LOOSE: Final = {"float64": 1e-6, "float32": 2e-3, "float16": 3e-2, "bfloat16": 2e-1}
"""Each step multiplies what rounding did to the smallest singular values by up to 3.4445; 1e-7 is added to the norm."""
MATRICES: Final[dict[str, Shape]] = {"wide": (4, 7), "tall": (7, 4), "filters": (5, 3, 2, 2), "row": (1, 3)}


def _matrix_cases() -> list[Case]:
    made = []
    for label, shape in MATRICES.items():
        common: dict[str, Any] = {"label": label, "tolerance": LOOSE, "quick": label == "filters"}
        inputs = (Input(shape), Input(shape), Input(shape))
        made.append(Case(target=matrix_update.muon, inputs=inputs, oracle=_muon, arguments=MUON, **common))
        flat = (shape[0], math.prod(shape[1:]))
        made.append(
            Case(
                target=matrix_update.orthogonalized,
                inputs=(Input(flat),),
                oracle=_orthogonalized,
                arguments={"steps": 5},
                **common,
            )
        )
    return made


KERNELS: Final[tuple[Case, ...]] = tuple(
    Case(
        target=rule.kernel,
        label=label,
        quick=label in QUICK,
        inputs=(Input(shape), Input(shape), *(Input(shape, draw) for draw in rule.states)),
        oracle=_element_by_element(rule.step),
        arguments=_in_order(rule),
    )
    for rule in RULES
    for label, shape in SHAPES.items()
) + tuple(_matrix_cases())
