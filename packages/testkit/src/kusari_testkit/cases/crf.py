"""Linear-chain conditional random fields, against every sequence of labels written out."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

import kusari.functions.loss as F
from kusari.kernels.crf import CRFProblem, LinearChainCRF
from kusari.types import Shape
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.draw import Draw, HostArray, distinct, integers, normal, repeated


@dataclass(frozen=True)
class Chains:
    """Some chains without their numbers."""

    label: str
    sizes: Shape
    """How many sequences are left at each time."""
    labels: int

    @property
    def inputs(self) -> tuple[Input, Input, Input]:
        """Costs, scores of all times, labels of all times."""
        rows, k = sum(self.sizes), self.labels
        return Input((k, k)), Input((rows, k)), Input((rows,), integers(0, k), "int32")

    def problem(self, dtype: Any) -> CRFProblem:
        """Return the Problem in a dtype of the host."""
        return CRFProblem(self.sizes, self.labels, dtype)

    # The oracle: all K^T sequences of labels. ------------------------------------------------------------------------

    def rows(self, n: int) -> list[int]:
        """Return where the rows of one sequence are."""
        starts = [sum(self.sizes[:time]) for time in range(len(self.sizes))]
        return [start + n for start, size in zip(starts, self.sizes, strict=True) if n < size]

    def score(self, cost: HostArray, x: HostArray, path: Any) -> float:
        """Return the score of one path through one sequence's rows."""
        moves = sum(cost[i, j] for i, j in itertools.pairwise(path))
        return float(moves + sum(row[label] for row, label in zip(x, path, strict=True)))

    def forward(self, cost: HostArray, x: HostArray, y: HostArray, **_: Any) -> HostArray:
        """Return the loss of each sequence."""
        loss = []
        for n in range(self.sizes[0]):
            own = self.rows(n)
            paths = list(itertools.product(range(self.labels), repeat=len(own)))
            scores = np.asarray([self.score(cost, x[own], path) for path in paths])
            high = np.max(scores)
            loss.append(high + np.log(np.sum(np.exp(scores - high))) - self.score(cost, x[own], y[own]))
        return np.asarray(loss)

    def gradient(self, cost: HostArray, x: HostArray, y: HostArray, gloss: HostArray) -> tuple[HostArray, HostArray]:
        """Return the gradients of costs and scores: how likely each is met, less where the labels meet it."""
        gcost, gx = np.zeros(cost.shape), np.zeros(x.shape)
        for n in range(self.sizes[0]):
            own = self.rows(n)
            paths = list(itertools.product(range(self.labels), repeat=len(own)))
            scores = np.asarray([self.score(cost, x[own], path) for path in paths])
            p = np.exp(scores - np.max(scores))
            for weight, path in [*zip(p / np.sum(p), paths, strict=True), (-1.0, tuple(y[own]))]:
                for i, j in itertools.pairwise(path):
                    gcost[i, j] += weight * gloss[n]
                gx[own, path] += weight * gloss[n]
        return gcost, gx

    def best(self, cost: HostArray, x: HostArray, **_: Any) -> HostArray:
        """Return the labels of the highest score, of all times."""
        made = np.zeros(len(x), np.int64)
        for n in range(self.sizes[0]):
            own = self.rows(n)
            paths = itertools.product(range(self.labels), repeat=len(own))
            made[own] = max(paths, key=lambda path: self.score(cost, x[own], path))
        return made


CHAINS: Final[tuple[Chains, ...]] = (
    Chains("equal", (3, 3, 3), 3),
    Chains("falling", (4, 3, 3, 1), 3),
    Chains("two-labels", (2, 2, 1, 1, 1), 2),
    Chains("one-time", (3,), 4),
    Chains("one-label", (2, 1), 1),
    Chains("single", (1, 1, 1), 3),
)


COARSE: Final = {"float64": 1e-11, "float32": 1e-3}
"""Gradients are exponentials of differences of scores: next to 2700, float32 has steps of 2·10⁻⁴."""


def use_forward(plan: LinearChainCRF, *inputs: Any) -> Any:
    """Run forward; what it keeps is its own business."""
    return plan.forward(*inputs)[0]


def use_backward(plan: LinearChainCRF, cost: Any, x: Any, y: Any, gloss: Any) -> Any:
    """Run forward and backward for both."""
    return plan.backward(plan.forward(cost, x, y)[1], cost, x, y, gloss, (True, True))


def use_best(plan: LinearChainCRF, cost: Any, x: Any) -> Any:
    """Find the best labels, of all times behind each other."""
    return plan.backend.xp.concat(plan.best(cost, x), axis=0)


def _family_cases(chains: Chains, scores: Draw = normal, label: str | None = None, **options: Any) -> list[FamilyCase]:
    cost, x, y = chains.inputs
    x = Input(x.shape, scores)
    common: dict[str, Any] = {
        "target": LinearChainCRF,
        "label": label or chains.label,
        "problem": chains.problem,
        "dtypes": ("float32", "float64"),
        **options,
    }
    gloss = Input((chains.sizes[0],), repeated(0.5, 2.0, 1.0))
    return [
        FamilyCase(**common, step="forward", inputs=(cost, x, y), oracle=chains.forward, use=use_forward),
        FamilyCase(**common, step="backward", inputs=(cost, x, y, gloss), oracle=chains.gradient, use=use_backward),
        FamilyCase(
            **common,
            step="best",
            inputs=(cost, Input(x.shape, distinct) if scores is normal else x),
            oracle=chains.best,
            use=use_best,
        ),
    ]


KERNELS: Final[tuple[FamilyCase, ...]] = (
    *(case for chains in CHAINS for case in _family_cases(chains)),
    *_family_cases(CHAINS[1], repeated(900.0, 0.0, -900.0, 100.0, 7.0), "extreme", tolerance=COARSE),
)


def crf(cost: Any, x: Any, y: Any, sizes: Shape, reduce: str) -> Any:
    """Call the function with one array for all times."""
    ends = list(itertools.accumulate(sizes))
    slices = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return F.crf1d(cost, [x[one] for one in slices], [y[one] for one in slices], reduce)


def argmax_crf(cost: Any, x: Any, sizes: Shape) -> Any:
    """Return the best scores."""
    ends = list(itertools.accumulate(sizes))
    return F.argmax_crf1d(cost, [x[end - size : end] for end, size in zip(ends, sizes, strict=True)])[0]


def _function_cases(chains: Chains) -> list[FunctionCase]:
    def loss(*inputs: HostArray, reduce: str, **_: Any) -> HostArray:
        made = chains.forward(*inputs)
        return made if reduce == "no" else np.asarray(np.mean(made))

    def best(cost: HostArray, x: HostArray, **_: Any) -> HostArray:
        path = chains.best(cost, x)
        own = [chains.rows(n) for n in range(chains.sizes[0])]
        return np.asarray([chains.score(cost, x[rows], path[rows]) for rows in own])

    return [
        *(
            FunctionCase(
                target=crf,
                label=f"{chains.label}-{reduce}",
                inputs=chains.inputs,
                oracle=loss,
                arguments={"sizes": chains.sizes, "reduce": reduce},
            )
            for reduce in ("mean", "no")
        ),
        FunctionCase(
            target=argmax_crf,
            label=chains.label,
            inputs=chains.inputs[:2],
            oracle=best,
            arguments={"sizes": chains.sizes},
        ),
    ]


FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(case for chains in CHAINS for case in _function_cases(chains))
