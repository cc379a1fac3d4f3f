"""Cells of recurrent networks: the families, and the functions over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from scipy.special import expit

import kusari.functions as F
from kusari.kernels import rnn as kernels
from kusari.kernels.rnn import LSTMProblem
from kusari.types import Shape
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.draw import HostArray

# The oracles: unit by unit, with gradients by central differences. -----------------------------------------


def lstm(c_prev: HostArray, x: HostArray) -> tuple[HostArray, HostArray]:
    """Return c and y of one step, unit by unit."""
    c, y = c_prev.copy(), np.empty((x.shape[0], *c_prev.shape[1:]))
    for n in range(x.shape[0]):
        for u in range(c_prev.shape[1]):
            a, i, f, o = x[n, 4 * u : 4 * u + 4]
            c[n, u] = expit(i) * np.tanh(a) + expit(f) * c_prev[n, u]
            y[n, u] = expit(o) * np.tanh(c[n, u])
    return c, y


def slstm(c1: HostArray, c2: HostArray, x1: HostArray, x2: HostArray) -> tuple[HostArray, HostArray]:
    """Return c and y of one step, unit by unit."""
    c, y = np.empty(c1.shape), np.empty(c1.shape)
    for u in range(c1.shape[1]):
        (a1, i1, f1, o1), (a2, i2, f2, o2) = ([x[:, 4 * u + gate] for gate in range(4)] for x in (x1, x2))
        c[:, u] = expit(i1) * np.tanh(a1) + expit(i2) * np.tanh(a2) + expit(f1) * c1[:, u] + expit(f2) * c2[:, u]
        y[:, u] = expit(o1 + o2) * np.tanh(c[:, u])
    return c, y


def tree_lstm(*inputs: HostArray) -> tuple[HostArray, HostArray]:
    """Return c and y of one step."""
    *cells, x = inputs
    a, i, o, *forgets = np.split(x, 3 + len(cells), axis=1)
    c = expit(i) * np.tanh(a)
    for f, cell in zip(forgets, cells, strict=True):
        c = c + expit(f) * cell
    return c, expit(o) * np.tanh(c)


def _gradients(step: Callable[..., tuple[HostArray, HostArray]], with_gc: bool, with_gy: bool) -> Callable[..., Any]:
    """Return an oracle of the gradients: central differences of ``step``."""

    def oracle(*arrays: HostArray) -> tuple[HostArray, ...]:
        count = len(arrays) - with_gc - with_gy
        inputs, weights = arrays[:count], list(arrays[count:])
        gc = weights.pop(0) if with_gc else 0.0
        gy = weights.pop(0) if with_gy else 0.0

        def loss(*moved: HostArray) -> float:
            c, y = step(*moved)
            return float(np.sum(gc * c) + np.sum(gy * y))

        made = []
        for index, array in enumerate(inputs):
            gradient = np.zeros(array.shape)
            for place in np.ndindex(array.shape):
                ends = []
                for sign in (1, -1):
                    moved = array.copy()
                    moved[place] += sign * 1e-4
                    ends.append(loss(*inputs[:index], moved, *inputs[index + 1 :]))
                gradient[place] = (ends[0] - ends[1]) / 2e-4
            made.append(gradient)
        return tuple(made)

    return oracle


TOLERANCE: Final = {"float64": 1e-7, "float32": 2e-5, "float16": 1e-2, "bfloat16": 8e-2}
"""The differences of the oracle are good to 1e-8."""


def _family_cases(
    family: Any, step: Callable[..., Any], label: str, cells: tuple[Shape, ...], fed: tuple[Shape, ...]
) -> list[FamilyCase]:
    as_tree = family is kernels.TreeLSTM

    def arranged(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        return (tuple(arrays[: len(cells)]), *arrays[len(cells) :]) if as_tree else arrays

    def problem(dtype: Any) -> LSTMProblem:
        return LSTMProblem(cells[0], fed[0], dtype, len(cells), recording=True)

    def use_forward(plan: Any, *arrays: Any) -> Any:
        return plan.forward(*arranged(arrays))[:2]

    def use_backward(with_gc: bool, with_gy: bool) -> Callable[..., Any]:
        def use(plan: Any, *arrays: Any) -> tuple[Any, ...]:
            count = len(cells) + len(fed)
            inputs, weights = arranged(arrays[:count]), list(arrays[count:])
            *_, kept = plan.forward(*inputs)
            gc = weights.pop(0) if with_gc else None
            gy = weights.pop(0) if with_gy else None
            made = plan.backward(kept, *inputs, gc, gy)
            return (*made[0], made[1]) if as_tree else made

        return use

    inputs = tuple(Input(shape) for shape in (*cells, *fed))
    gradients = (Input(cells[0]), Input((fed[0][0], *cells[0][1:])))
    common: dict[str, Any] = {"target": family, "label": label, "problem": problem}
    return [
        FamilyCase(**common, step="forward", inputs=inputs, oracle=step, use=use_forward),
        *(
            FamilyCase(
                **common,
                step=name,
                inputs=(*inputs, *gradients[first:last]),
                oracle=_gradients(step, with_gc, with_gy),
                use=use_backward(with_gc, with_gy),
                tolerance=TOLERANCE,
            )
            for name, first, last, with_gc, with_gy in (
                ("backward", 0, 2, True, True),
                ("backward-of-c", 0, 1, True, False),
                ("backward-of-y", 1, 2, False, True),
            )
        ),
    ]


STEPS: Final[tuple[tuple[Any, Any, Any, str, tuple[Shape, ...], tuple[Shape, ...]], ...]] = (
    (kernels.LSTM, F.lstm, lstm, "batch", ((3, 2),), ((3, 8),)),
    (kernels.LSTM, F.lstm, lstm, "shorter", ((4, 2),), ((2, 8),)),
    (kernels.LSTM, F.lstm, lstm, "ended", ((2, 2),), ((0, 8),)),
    (kernels.LSTM, F.lstm, lstm, "image", ((2, 1, 2, 2),), ((2, 4, 2, 2),)),
    (kernels.LSTM, F.lstm, lstm, "one", ((1, 1),), ((1, 4),)),
    (kernels.SLSTM, F.slstm, slstm, "batch", ((3, 2), (3, 2)), ((3, 8), (3, 8))),
    (kernels.SLSTM, F.slstm, slstm, "image", ((2, 1, 3), (2, 1, 3)), ((2, 4, 3), (2, 4, 3))),
    (kernels.TreeLSTM, F.tree_lstm, tree_lstm, "one-child", ((2, 3),), ((2, 12),)),
    (kernels.TreeLSTM, F.tree_lstm, tree_lstm, "three", ((2, 2),) * 3, ((2, 12),)),
    (kernels.TreeLSTM, F.tree_lstm, tree_lstm, "image", ((1, 1, 2),) * 2, ((1, 5, 2),)),
)
KERNELS: Final[tuple[FamilyCase, ...]] = tuple(
    case for family, _, step, label, cells, fed in STEPS for case in _family_cases(family, step, label, cells, fed)
)
FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(
    FunctionCase(target=function, label=label, inputs=tuple(Input(shape) for shape in (*cells, *fed)), oracle=step)
    for _, function, step, label, cells, fed in STEPS
)
